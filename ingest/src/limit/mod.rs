//! What a client may ask for, and how much is in hand at one time.

pub(crate) mod memory;
pub(crate) mod rate;
