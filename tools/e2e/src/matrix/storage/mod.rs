//! Faults of what is stored: full, deleted, restored, lost, piled up.

pub(super) mod backlog;
pub(super) mod backups;
pub(super) mod deletions;
pub(super) mod full;
pub(super) mod promotions;
pub(super) mod targets;
