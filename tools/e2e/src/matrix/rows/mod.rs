//! Faults of what is sent: twice, refused, poisonous.

pub(super) mod poison;
pub(super) mod refusals;
pub(super) mod twice;
