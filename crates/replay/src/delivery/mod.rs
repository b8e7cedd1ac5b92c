//! Brings chunks to ingest.
//!
//! | module | concept |
//! |---|---|
//! | [`sender`] | one chunk, sent until each of its lines is settled |
//! | [`rate`] | the rate that is not exceeded |
//! | [`outage`] | what holds up sending, and when to give up |
//! | [`door`] | whether it is ingest that refuses |

pub(crate) mod door;
pub(crate) mod outage;
pub(crate) mod rate;
pub(crate) mod sender;
