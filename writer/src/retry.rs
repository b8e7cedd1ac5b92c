//! How a stream's writer, and what it waits for, tries again.

use std::time::Duration;

use forebay_task::Backoff;

/// Between one attempt and the next.
pub(crate) const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
