//! What a log holds, against the counters and what is stored.
//!
//! | module | concept |
//! |---|---|
//! | `walk` | reading a log, whatever is wrong with it |
//! | `frames` | the log against the counters and the rows |
//! | `rows` | rows of many frames against what is stored |
//! | `gaps` | frames that a log should have and has not, or not as they were published |

pub(super) mod frames;
pub(super) mod gaps;
mod rows;
mod walk;
