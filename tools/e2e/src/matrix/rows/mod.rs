//! Faults of what is sent: twice, refused, poisonous, in conflict, cut off.

pub(super) mod conflicts;
pub(super) mod events;
pub(super) mod hang_ups;
pub(super) mod poison;
pub(super) mod refusals;
pub(super) mod twice;
