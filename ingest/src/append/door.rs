//! Whether the log of a shard takes frames. Where it has let a frame's time pass, those that follow are refused at once, and one a while is
//! let through to find out: a client that is told so in a millisecond can go elsewhere, or come again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_log::PublishError;
use forebay_service::health::Dependency;
use tokio::time::Instant;

/// How long the log is left alone between two frames that find out.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// The way into the log of one lane and shard. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    dependency: Dependency,
    /// How long a frame may take that finds out.
    try_max: Duration,
    shut: Arc<Mutex<Option<Shut>>>,
}

#[derive(Clone, Copy, Debug)]
struct Shut {
    /// When the next frame is let through.
    next_try: Instant,
}

impl Door {
    /// Open, until something else turns out.
    pub(crate) fn new(dependency: Dependency, try_max: Duration) -> Self {
        dependency.up();
        Self { dependency, try_max, shut: Arc::default() }
    }

    /// Whether a frame may be tried now.
    ///
    /// # Errors
    /// Why not; nothing was sent.
    pub(crate) fn enter(&self, now: Instant) -> Result<(), PublishError> {
        match &mut *self.lock() {
            Some(shut) if now < shut.next_try => Err(refusal()),
            // Others wait for what becomes of it.
            Some(shut) => {
                shut.next_try = now + self.try_max + TRY_EVERY;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Takes note of what became of a frame. Whether what waits behind it is to be refused.
    pub(crate) fn note<T>(&self, outcome: &Result<T, PublishError>, now: Instant) -> bool {
        match outcome {
            Ok(_) => {
                *self.lock() = None;
                self.dependency.up();
                false
            }
            // It says so at once, so every frame may find out.
            Err(error @ (PublishError::Full(_) | PublishError::Unreachable)) => {
                self.dependency.down(error.to_string());
                false
            }
            Err(error @ (PublishError::Unknown | PublishError::Busy(_) | PublishError::NoStream)) => {
                *self.lock() = Some(Shut { next_try: now + TRY_EVERY });
                self.dependency.down(error.to_string());
                true
            }
            // That is about the frame.
            Err(PublishError::TooLarge { .. } | PublishError::Refused(_)) => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Shut>> {
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What those are told that are not let through.
pub(crate) fn refusal() -> PublishError {
    PublishError::Busy("it has not taken the last ones in time, and is tried again every second".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_service::Shutdown;
    use forebay_service::health::{Health, Need};

    #[test]
    fn one_frame_at_a_time_finds_out_whether_the_log_takes_them_again() {
        let health = Health::new(Shutdown::new());
        let door = Door::new(health.dependency("log", Need::Optional), Duration::from_secs(5));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let enters = |seconds| door.enter(at(seconds)).is_ok();
        assert!(enters(0) && enters(0));
        assert!(door.note::<()>(&Err(PublishError::Unknown), at(5)));
        assert!(!enters(5), "the log is silent");
        assert!(enters(6) && !enters(6) && !enters(11), "one finds out");
        assert!(door.note::<()>(&Err(PublishError::Unknown), at(11)));
        assert!(!enters(11) && enters(12));
        // What never comes back lets the next one through.
        assert!(enters(18));
        assert!(!door.note(&Ok(()), at(19)) && enters(19) && enters(19));
        assert!(!door.note::<()>(&Err(PublishError::Full(String::new())), at(20)) && enters(20) && enters(20));
    }
}
