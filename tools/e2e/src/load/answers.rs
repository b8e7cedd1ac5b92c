//! Every answer of a run: when, how fast, of which shard; and what is not answered yet.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
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

/// A question that was sent and is not answered yet.
#[derive(Debug)]
pub struct Question {
    number: u64,
    /// When it was sent.
    pub asked: Instant,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Answers(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    answers: Vec<Answer>,
    questions: u64,
    open: BTreeMap<u64, Instant>,
}

impl Answers {
    /// Notes that something is asked now.
    pub fn ask(&self) -> Question {
        let mut book = self.lock();
        book.questions += 1;
        let (number, asked) = (book.questions, Instant::now());
        book.open.insert(number, asked);
        Question { number, asked }
    }

    /// Notes what came of a question.
    pub fn note(&self, question: &Question, answer: Answer) {
        let mut book = self.lock();
        book.open.remove(&question.number);
        book.answers.push(answer);
    }

    /// How many questions were asked that long before a moment, and are not answered yet.
    pub fn waiting(&self, before: Duration, moment: Instant) -> usize {
        self.lock().open.values().filter(|asked| **asked + before < moment).count()
    }

    /// Those that were there, or given up, between two moments.
    pub fn between(&self, from: Instant, to: Instant) -> Vec<Answer> {
        self.chosen(|answer| (from..to).contains(&answer.answered))
    }

    /// Those to questions that were asked between two moments, as far as they are there.
    pub fn asked_between(&self, from: Instant, to: Instant) -> Vec<Answer> {
        self.chosen(|answer| (from..to).contains(&answer.asked))
    }

    fn chosen(&self, is_chosen: impl Fn(&Answer) -> bool) -> Vec<Answer> {
        self.lock().answers.iter().filter(|answer| is_chosen(answer)).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
