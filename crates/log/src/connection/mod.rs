//! A connection to NATS.

pub(crate) mod link;
pub(crate) mod security;
