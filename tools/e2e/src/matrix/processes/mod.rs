//! Faults of processes: killed, frozen, stopped, two where one should be, with a wrong clock.

pub(super) mod clock;
pub(super) mod freezes;
pub(super) mod kills;
pub(super) mod stops;
pub(super) mod writers;
