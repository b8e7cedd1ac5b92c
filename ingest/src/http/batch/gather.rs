//! Records to facts, until they are worth logging.

use std::sync::Arc;

use forebay_api::RejectedLine;
use forebay_api::accepted::ERRORS_MAX;
use forebay_model::order::ORDER_TEXT_BYTES_MAX;
use forebay_model::{Claimant, Facts, Rejection, RequestId, ShardMap, Timestamp};

use super::record::Record;
use super::record_kind::RecordKind;
use super::report::rejected;
use crate::admission::{Admission, EventAdmission};
use crate::app::App;
use crate::assign::Assigner;
use crate::memory::Held;
use crate::metrics::count_rejected;
use crate::sender::Sender;

/// Frames are filled part by part, so small parts fill them best.
const PART_BYTES_MAX: usize = 8 * 1024;

/// Reads records of one kind.
pub(super) enum Reader {
    Orders(Admission),
    Events(EventAdmission),
}

impl Reader {
    /// Of that kind, of a sender's, by the settings of the system, as a map has them.
    pub(super) fn of(kind: RecordKind, app: &App, map: &ShardMap, sender: &Sender) -> Self {
        match kind {
            RecordKind::Orders => Self::Orders(app.admission(map, sender)),
            RecordKind::Events => Self::Events(app.event_admission(map, sender)),
        }
    }
}

/// Lines that were read and are not logged yet.
pub(super) struct Gather {
    map: Arc<ShardMap>,
    pub(super) facts: Facts,
    pub(super) orders: u32,
    pub(super) rejected: u64,
    pub(super) errors: Vec<RejectedLine>,
    pub(super) last_line: u64,
    held: Option<Held>,
}

impl Gather {
    /// An empty one, whose orders are of that piece of the request.
    pub(super) fn new(map: Arc<ShardMap>, piece: RequestId) -> Self {
        let mut facts = Facts::in_parts_of(PART_BYTES_MAX);
        facts.set_claimant(Some(Claimant { request: piece, letter: None }));
        Self { map, facts, orders: 0, rejected: 0, errors: Vec::new(), last_line: 0, held: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.orders == 0 && self.rejected == 0
    }

    pub(super) fn map(&self) -> &Arc<ShardMap> {
        &self.map
    }

    /// Takes the room for what will be gathered next.
    pub(super) fn hold(&mut self, held: Held) {
        match &mut self.held {
            Some(before) => before.join(held),
            None => self.held = Some(held),
        }
    }

    /// Gives back the room beyond that many bytes.
    pub(super) fn keep(&mut self, bytes: usize) {
        if let Some(held) = &mut self.held {
            held.keep(bytes);
        }
    }

    pub(super) fn take_held(&mut self) -> Option<Held> {
        self.held.take()
    }

    /// Reads one record.
    pub(super) fn take(&mut self, record: Record<'_>, reader: &Reader, assigner: &Assigner, now: Timestamp) {
        self.last_line = record.line;
        let added = match record.text {
            Some(text) => self.add(text, record.line, reader, assigner, now),
            None => Err(Rejection::TooLarge { bytes_max: ORDER_TEXT_BYTES_MAX }),
        };
        match added {
            Ok(()) => self.orders += 1,
            Err(rejection) => {
                self.rejected += 1;
                count_rejected(rejection.code(), 1);
                if self.errors.len() < ERRORS_MAX {
                    self.errors.push(rejected(record.line, record.text, &rejection));
                }
            }
        }
    }

    fn add(
        &mut self,
        text: &[u8],
        line: u64,
        reader: &Reader,
        assigner: &Assigner,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        match reader {
            Reader::Orders(admission) => {
                let draft = admission.read(text, now).and_then(|draft| assigner.admit(draft))?;
                let random = assigner.for_line(line, &draft);
                let order = admission.settle(draft, &self.map, now, random);
                self.facts.add(&order, &self.map);
            }
            Reader::Events(admission) => {
                let event = admission.read(text, None, &self.map, now)?;
                self.facts.add_event(&event, &self.map);
            }
        }
        Ok(())
    }
}
