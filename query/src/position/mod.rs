//! How far lanes are known to be, and since when; the positions of an answer; what a request waits for.

pub(crate) mod history;
pub(crate) mod known;
pub(crate) mod patience;
pub(crate) mod read_at;
