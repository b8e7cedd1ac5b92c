//! Whether the log of a shard takes frames. Where it has let a frame's time pass, those that follow are refused at once, and one a second is
//! let through to find out, whatever has become of the one before: a client that is told so in a millisecond can go elsewhere, or come again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_log::PublishError;
use forebay_service::health::Dependency;
use tokio::time::Instant;

/// How long the log is left alone between two frames that find out.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// The way into the log of one lane and shard.
#[derive(Debug)]
pub(crate) struct Door {
    dependency: Dependency,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// Where it is shut: when the next frame is let through.
    next_try: Option<Instant>,
    /// When a frame was last taken.
    taken_at: Option<Instant>,
    /// What the dependency was told last. It is not told again for each frame.
    is_up: bool,
}

impl Door {
    /// Open, until something else turns out.
    pub(crate) fn new(dependency: Dependency) -> Self {
        dependency.up();
        Self { dependency, state: Mutex::new(State { next_try: None, taken_at: None, is_up: true }) }
    }

    /// Leave to try a frame now; none is needed where it is open.
    ///
    /// # Errors
    /// Why not; nothing was sent.
    pub(crate) fn enter(self: &Arc<Self>, now: Instant) -> Result<Option<Leave>, PublishError> {
        match &mut self.lock().next_try {
            Some(next_try) if now < *next_try => Err(refusal()),
            Some(next_try) => {
                *next_try = now + TRY_EVERY;
                Ok(Some(Leave { door: Arc::clone(self), since: now, is_used: false }))
            }
            None => Ok(None),
        }
    }

    /// Takes note of what became of a frame that was sent then. Whether what waits behind it is to be refused.
    pub(crate) fn note<T>(&self, outcome: &Result<T, PublishError>, sent_at: Instant, now: Instant) -> bool {
        let mut state = self.lock();
        let error = match outcome {
            Ok(_) => {
                (state.next_try, state.taken_at) = (None, Some(now));
                if !std::mem::replace(&mut state.is_up, true) {
                    self.dependency.up();
                }
                return false;
            }
            // That is about the frame.
            Err(PublishError::TooLarge { .. } | PublishError::Refused(_)) => return false,
            // Later ones were taken since.
            Err(_) if state.taken_at.is_some_and(|taken_at| sent_at < taken_at) => return false,
            Err(error) => error,
        };
        state.is_up = false;
        self.dependency.down(error.to_string());
        // A log that is full or away says so at once, so every frame may find out.
        let is_silent = !matches!(error, PublishError::Full(_) | PublishError::Unreachable);
        if is_silent {
            state.next_try = Some(now + TRY_EVERY);
        }
        is_silent
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to find out whether a door is still shut. Where it is not used, as where a request goes through several doors and another one is
/// shut, the next comer has it.
#[derive(Debug)]
#[must_use]
pub(crate) struct Leave {
    door: Arc<Door>,
    since: Instant,
    is_used: bool,
}

impl Leave {
    /// Whether it is leave of that door.
    pub(crate) fn is_of(&self, door: &Arc<Door>) -> bool {
        Arc::ptr_eq(&self.door, door)
    }

    /// The frame is on its way.
    pub(crate) fn used(mut self) {
        self.is_used = true;
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if !self.is_used
            && let Some(next_try) = &mut self.door.lock().next_try
        {
            *next_try = self.since;
        }
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn who_needs_several_doors_gets_in_as_soon_as_all_may_be_tried(
            shut_ms in prop::collection::vec(0u64..3000, 2..5),
            tries in prop::collection::vec((50u64..1500, any::<prop::sample::Index>()), 100),
        ) {
            let health = Health::new(Shutdown::new());
            let start = Instant::now();
            let at = |ms| start + Duration::from_millis(ms);
            let door = |(number, &ms): (usize, &u64)| {
                let dependency = health.dependency(format!("log {number}"), Need::Optional);
                let door = Arc::new(Door::new(dependency));
                door.note::<()>(&Err(PublishError::Unknown), start, at(ms));
                door
            };
            let doors: Vec<Arc<Door>> = shut_ms.iter().enumerate().map(door).collect();
            let may_be_tried = shut_ms.iter().max().unwrap() + 1000;
            let mut now = 0;
            for (pause, first) in tries {
                now += pause;
                // Each begins with another door.
                let (before, from) = doors.split_at(first.index(doors.len()));
                let leaves: Result<Vec<Option<Leave>>, _> = from.iter().chain(before).map(|door| door.enter(at(now))).collect();
                prop_assert_eq!(leaves.is_ok(), now >= may_be_tried, "after {} ms", now);
                if leaves.is_ok() {
                    break;
                }
            }
        }
    }

    #[test]
    fn one_frame_a_second_finds_out_whether_the_log_takes_them_again() {
        let health = Health::new(Shutdown::new());
        let door = Arc::new(Door::new(health.dependency("log", Need::Optional)));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let enters = |seconds| door.enter(at(seconds)).map(|leave| leave.map(Leave::used)).is_ok();
        let silent = |sent, now| door.note::<()>(&Err(PublishError::Unknown), at(sent), at(now));
        assert!(enters(0) && enters(0));
        assert!(silent(0, 5));
        assert!(!enters(5), "the log is silent");
        assert!(enters(6) && !enters(6) && enters(7) && !enters(7), "one a second finds out");
        assert!(silent(6, 11));
        assert!(!enters(11) && enters(12) && !enters(12));
        // Who does not try lets the next one through at once.
        drop(door.enter(at(14)).unwrap());
        assert!(enters(14) && !enters(14));
        assert!(!door.note(&Ok(()), at(14), at(15)) && enters(15) && enters(15));
        assert!(!silent(13, 18) && enters(18) && enters(18), "one that was sent before says nothing of now");
        let full = door.note::<()>(&Err(PublishError::Full(String::new())), at(27), at(27));
        assert!(!full && enters(27) && enters(27));
    }
}
