//! Room on the disk of a server, where that disk is one of this machine.

use std::path::Path;

use super::report::{Notes, mib};
use crate::room::FREE_MIN;

/// Notes what a directory's disk has left. Nothing where it cannot be told.
pub(super) fn note(notes: &mut Notes, holds: &str, directory: &Path) {
    let Ok(disk) = rustix::fs::statvfs(directory) else { return };
    let (free, all) = (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize));
    let saw = format!("{holds}; {} of {} are free on its disk", mib(free), mib(all));
    if free < FREE_MIN {
        notes.warning("room", saw, "make room: a month that is merged is there twice for a while");
    } else {
        notes.ok("room", saw);
    }
}
