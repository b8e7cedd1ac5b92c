//! Whether the log of a shard takes frames. Where it has let a frame's time pass, those that follow are refused at once, and one a while is
//! let through to find out: a client that is told so in a millisecond can go elsewhere, or come again.

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
    /// How long a frame may take that finds out.
    try_max: Duration,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// Where it is shut: when the next frame is let through.
    next_try: Option<Instant>,
    /// What the dependency was told last. It is not told again for each frame.
    is_up: bool,
}

impl Door {
    /// Open, until something else turns out.
    pub(crate) fn new(dependency: Dependency, try_max: Duration) -> Self {
        dependency.up();
        Self { dependency, try_max, state: Mutex::new(State { next_try: None, is_up: true }) }
    }

    /// Leave to try a frame now; none is needed where it is open.
    ///
    /// # Errors
    /// Why not; nothing was sent.
    pub(crate) fn enter(self: &Arc<Self>, now: Instant) -> Result<Option<Leave>, PublishError> {
        match &mut self.lock().next_try {
            Some(next_try) if now < *next_try => Err(refusal()),
            // Others wait for what becomes of it.
            Some(next_try) => {
                *next_try = now + self.try_max + TRY_EVERY;
                Ok(Some(Leave { door: Arc::clone(self), since: now, is_used: false }))
            }
            None => Ok(None),
        }
    }

    /// Takes note of what became of a frame. Whether what waits behind it is to be refused.
    pub(crate) fn note<T>(&self, outcome: &Result<T, PublishError>, now: Instant) -> bool {
        let mut state = self.lock();
        let error = match outcome {
            Ok(_) => {
                state.next_try = None;
                if !std::mem::replace(&mut state.is_up, true) {
                    self.dependency.up();
                }
                return false;
            }
            // That is about the frame.
            Err(PublishError::TooLarge { .. } | PublishError::Refused(_)) => return false,
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
                let door = Arc::new(Door::new(dependency, Duration::from_secs(5)));
                door.note::<()>(&Err(PublishError::Unknown), at(ms));
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
    fn one_frame_at_a_time_finds_out_whether_the_log_takes_them_again() {
        let health = Health::new(Shutdown::new());
        let door = Arc::new(Door::new(health.dependency("log", Need::Optional), Duration::from_secs(5)));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let enters = |seconds| door.enter(at(seconds)).map(|leave| leave.map(Leave::used)).is_ok();
        assert!(enters(0) && enters(0));
        assert!(door.note::<()>(&Err(PublishError::Unknown), at(5)));
        assert!(!enters(5), "the log is silent");
        assert!(enters(6) && !enters(6) && !enters(11), "one finds out");
        assert!(door.note::<()>(&Err(PublishError::Unknown), at(11)));
        assert!(!enters(11) && enters(12));
        // What never comes back lets the next one through, and so does at once who does not try.
        assert!(enters(18) && !enters(23));
        drop(door.enter(at(24)).unwrap());
        assert!(enters(24) && !enters(25));
        assert!(!door.note(&Ok(()), at(26)) && enters(26) && enters(26));
        assert!(!door.note::<()>(&Err(PublishError::Full(String::new())), at(27)) && enters(27) && enters(27));
    }
}
