//! What a dry run finds out: what would be sent, what would be rejected, and what to put into the map.
//!
//! | module | concept |
//! |---|---|
//! | [`faults`] | faults of one kind, counted, and what helps |
//! | `twice` | records that stand in the files more than once |
//! | `runs` | those that were seen, sorted, and perhaps more than memory holds |

pub mod faults;
mod runs;
mod twice;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use forebay_model::order::Draft;
use forebay_model::{Event, EventKind, OrderKind, Timestamp};
use serde::{Deserialize, Serialize};

use self::faults::{FaultGroup, Faults};
use self::twice::Twice;
pub use self::twice::TwiceReport;
use crate::check::{Checked, Checker};
use crate::chunk::Chunk;
use crate::delivery::sender::{Delivered, rejected};

/// What a dry run has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Orders and sums of each currency. Orders that name none have that of the system, and stand under `XXX`.
    pub currencies: BTreeMap<String, CurrencyReport>,
    /// Events of each kind; those of kinds of the client's own are together, as `x-…`.
    pub kinds: BTreeMap<String, u64>,
    /// Orders without an id, which get one.
    pub without_id: u64,
    /// The earliest time.
    pub first: Option<String>,
    /// The latest time.
    pub last: Option<String>,
    /// What is wrong with rejected records, the most frequent first.
    pub faults: Vec<FaultGroup>,
    /// Records that stand there more than once.
    pub twice: TwiceReport,
}

/// Orders of one currency, in its minor unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrencyReport {
    /// How many sales.
    pub sales: u64,
    /// How many returns.
    pub returns: u64,
    /// What the sales come to.
    pub gross: i128,
    /// What the returns come to; never above zero.
    pub returned: i128,
}

/// A report while it is made. Clones make the same one.
#[derive(Clone, Default)]
pub(crate) struct Reporting(Arc<Mutex<Findings>>);

#[derive(Default)]
struct Findings {
    currencies: BTreeMap<String, CurrencyReport>,
    kinds: BTreeMap<String, u64>,
    without_id: u64,
    times: Option<(Timestamp, Timestamp)>,
    faults: Faults,
    twice: Twice,
}

impl Reporting {
    /// Checks the records of a chunk as ingest would, and takes note of what is found. With it, whether the note could be kept:
    /// it fails when no temporary file can be written.
    pub(crate) fn check(&self, checker: &Checker, chunk: &Chunk) -> (Delivered, io::Result<()>) {
        let now = Timestamp::now();
        let mut delivered = Delivered { settled: chunk.lines, ..Delivered::default() };
        let mut found = Findings::default();
        let lines = chunk.body.split(|&byte| byte == b'\n').take(chunk.lines);
        for (index, line) in lines.enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()) {
            match checker.check(line, now) {
                Ok(checked) => {
                    delivered.accepted += 1;
                    found.note(&checked, chunk, index);
                }
                Err(rejection) => {
                    let rejected = rejected(&rejection, index, line);
                    found.faults.note(&rejected.code, &rejected.detail, chunk.file, chunk.place(index).line);
                    delivered.rejected.push(rejected);
                }
            }
        }
        for refusal in &chunk.refused {
            found.faults.note(refusal.code, &refusal.detail, chunk.file, refusal.place.line);
        }
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).add(found);
        (delivered, kept)
    }

    /// What was found, in files of these names.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub(crate) fn report(&self, files: &[String]) -> io::Result<Report> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Report {
            currencies: found.currencies.clone(),
            kinds: found.kinds.clone(),
            without_id: found.without_id,
            first: found.times.map(|(first, _)| first.to_string()),
            last: found.times.map(|(_, last)| last.to_string()),
            faults: found.faults.groups(files),
            twice: found.twice.report(files)?,
        })
    }
}

impl Findings {
    fn note(&mut self, checked: &Checked<'_>, chunk: &Chunk, index: usize) {
        match checked {
            Checked::Order(draft) => self.note_order(draft),
            Checked::Event(event) => self.note_event(event),
        }
        self.twice.note(checked, chunk.file, chunk.place(index).line);
    }

    fn note_event(&mut self, event: &Event) {
        let kind = if let EventKind::Own(_) = event.kind { "x-…" } else { event.kind.as_str() };
        *self.kinds.entry(kind.to_owned()).or_default() += 1;
        self.note_times(event.at, event.at);
    }

    fn note_order(&mut self, draft: &Draft<'_>) {
        let sums = self.currencies.entry(draft.currency.to_string()).or_default();
        match draft.kind {
            OrderKind::Sale => (sums.sales, sums.gross) = (sums.sales + 1, sums.gross + i128::from(draft.total)),
            OrderKind::Return => {
                (sums.returns, sums.returned) = (sums.returns + 1, sums.returned + i128::from(draft.total));
            }
        }
        if let Some(at) = draft.timestamp {
            self.note_times(at, at);
        }
        self.without_id += u64::from(draft.order_id.is_none());
    }

    fn note_times(&mut self, first: Timestamp, last: Timestamp) {
        let (earlier, later) = self.times.unwrap_or((first, last));
        self.times = Some((first.min(earlier), last.max(later)));
    }

    fn add(&mut self, other: Self) -> io::Result<()> {
        for (currency, sums) in other.currencies {
            let all = self.currencies.entry(currency).or_default();
            all.sales += sums.sales;
            all.returns += sums.returns;
            all.gross += sums.gross;
            all.returned += sums.returned;
        }
        self.without_id += other.without_id;
        for (kind, events) in other.kinds {
            *self.kinds.entry(kind).or_default() += events;
        }
        if let Some((first, last)) = other.times {
            self.note_times(first, last);
        }
        self.faults.add(other.faults);
        self.twice.add(&other.twice)
    }
}
