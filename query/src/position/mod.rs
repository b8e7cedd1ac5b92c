//! How far streams are known to be, and since when; how far facts are derived; the positions of an answer; what a request waits for.

pub(crate) mod derivations;
pub(crate) mod derived_marks;
pub(crate) mod history;
pub(crate) mod known;
pub(crate) mod patience;
pub(crate) mod read_at;

use std::time::Duration;

/// A writer tells something at least every second. After a longer silence it is not known what was done meanwhile.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(3);
