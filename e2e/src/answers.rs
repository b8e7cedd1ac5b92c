//! Every answer of a run: when, how fast, of which shard.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One answer, or the lack of one.
#[derive(Clone, Debug)]
pub struct Answer {
    /// When the question was sent.
    pub asked: Instant,
    /// When the answer was there.
    pub answered: Instant,
    /// The HTTP status; `None` where no answer came.
    pub status: Option<u16>,
    /// Whether nothing could be sent, because nobody listened.
    pub is_unreachable: bool,
    /// Which shards it was about, as far as one can know.
    pub shards: Vec<usize>,
    /// Whether it says when to ask again.
    pub has_retry_after: bool,
    /// How many orders it was about.
    pub orders: usize,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Answers(Mutex<Vec<Answer>>);

impl Answers {
    /// Notes one.
    pub fn note(&self, answer: Answer) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
    }

    /// Those that were there, or given up, between two moments.
    pub fn between(&self, from: Instant, to: Instant) -> Vec<Answer> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.iter().filter(|answer| (from..to).contains(&answer.answered)).cloned().collect()
    }
}

impl Answer {
    /// How long it took.
    pub fn took(&self) -> Duration {
        self.answered - self.asked
    }

    /// Whether the answer was yes.
    pub fn is_good(&self) -> bool {
        matches!(self.status, Some(200 | 202))
    }
}
