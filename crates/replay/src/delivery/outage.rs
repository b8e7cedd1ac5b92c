//! Says once, not once per connection, that sending is held up, and when it goes on; and knows when to give up.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::event::{Event, Tell};

/// Before the first answer of all the address may simply be wrong, so patience is short.
const FIRST_ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What holds up sending, if anything does. All connections share it.
pub(crate) struct Outage {
    tell: Tell,
    give_up: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When an answer of any kind last came; at first, when the run began.
    heard: Instant,
    ever_heard: bool,
    /// What was said, and when it began.
    said: Option<(String, Instant)>,
}

impl Outage {
    pub(crate) fn new(tell: Tell, give_up: Duration) -> Self {
        let state = State { heard: Instant::now(), ever_heard: false, said: None };
        Self { tell, give_up, state: Mutex::new(state) }
    }

    /// The other side is there and says that it cannot take more now.
    pub(crate) fn refused(&self, what: &str) {
        let mut state = self.lock();
        (state.heard, state.ever_heard) = (Instant::now(), true);
        self.note(&mut state, what);
    }

    /// There is no answer. False when it is time to give up.
    pub(crate) fn lost(&self, what: &str) -> bool {
        let mut state = self.lock();
        self.note(&mut state, what);
        let patience = if state.ever_heard { self.give_up } else { self.give_up.min(FIRST_ANSWER_WITHIN) };
        state.heard.elapsed() < patience
    }

    /// Something was taken.
    pub(crate) fn is_over(&self) {
        let mut state = self.lock();
        (state.heard, state.ever_heard) = (Instant::now(), true);
        if let Some((_, since)) = state.said.take() {
            (self.tell)(Event::Resumed { after: since.elapsed() });
        }
    }

    fn note(&self, state: &mut State, what: &str) {
        let since = state.said.as_ref().map_or_else(Instant::now, |(_, since)| *since);
        if state.said.as_ref().is_none_or(|(said, _)| said != what) {
            (self.tell)(Event::HeldUp { what: what.to_owned() });
            state.said = Some((what.to_owned(), since));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
