//! What was found.

use forebay_model::{Lane, ShardId};
use serde::Serialize;

use crate::grouped::grouped;

/// How many differences are named. All are counted.
const NAMED_MAX: usize = 100;

/// What was looked at, and what differs.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) differences: u64,
    /// The first of them.
    pub(super) named: Vec<Difference>,
    /// What could not be told, because a lane did not come past what its log held.
    pub(super) undecided: u64,
    /// Differences that dead letters account for.
    pub(super) explained: u64,
    pub(super) lanes: Vec<LaneFigures>,
    pub(super) orders_checked: u64,
    pub(super) facts_checked: u64,
    pub(super) views_checked: u64,
    pub(super) index_entries_checked: u64,
    /// Index entries of orders that were never acknowledged. They do no harm.
    pub(super) index_entries_without_order: u64,
    pub(super) order_times_checked: u64,
    /// Noted times of orders that are not there. They keep other times out, and do no other harm.
    pub(super) order_times_without_order: u64,
    /// What else there is to know.
    pub(super) notes: Vec<String>,
}

/// One thing that is not as it should be.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    pub(super) shard: ShardId,
    pub(super) lane: Lane,
    pub(super) kind: Kind,
    pub(super) detail: String,
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A counter of a lane and what there is.
    Counter,
    /// A log and the position in it.
    Log,
    /// A row of the log that is neither stored nor dead.
    LoggedFact,
    /// An order and what is in it.
    Order,
    /// An order's index entry or view.
    Fact,
    /// A view and its order.
    Origin,
    /// An order and the time that is noted for its id.
    OrderTime,
}

/// A lane of a shard.
#[derive(Debug, Serialize)]
pub(super) struct LaneFigures {
    pub(super) shard: ShardId,
    pub(super) lane: Lane,
    pub(super) position: Option<String>,
    pub(super) stored: u64,
    pub(super) duplicate: u64,
    pub(super) dead: u64,
    pub(super) rows_in_table: u64,
    pub(super) rows_in_letters: u64,
    /// Rows of the frames that the log still has up to the position.
    pub(super) rows_in_log: u64,
    /// Whether these are all that were counted, so that both sums had to be equal.
    pub(super) log_is_whole: bool,
    /// Frames whose rows were compared one by one.
    pub(super) frames_compared: u64,
}

impl Report {
    pub(super) fn differs(&mut self, shard: ShardId, lane: Lane, kind: Kind, detail: String) {
        self.differences += 1;
        if self.named.len() < NAMED_MAX {
            self.named.push(Difference { shard, lane, kind, detail });
        }
    }

    /// As people read it.
    pub(super) fn text(&self) -> String {
        let mut lines: Vec<String> = self.lanes.iter().map(LaneFigures::text).collect();
        lines.push(format!(
            "{} orders, {} facts of them, {} views, {} index entries and {} noted times checked",
            grouped(self.orders_checked),
            grouped(self.facts_checked),
            grouped(self.views_checked),
            grouped(self.index_entries_checked),
            grouped(self.order_times_checked)
        ));
        if self.explained > 0 {
            lines.push(format!("{} differences are accounted for by dead letters", grouped(self.explained)));
        }
        if self.index_entries_without_order > 0 {
            let entries = grouped(self.index_entries_without_order);
            lines
                .push(format!("{entries} index entries have no order: it was never acknowledged, and they do no harm"));
        }
        if self.order_times_without_order > 0 {
            let times = grouped(self.order_times_without_order);
            lines
                .push(format!("{times} noted times have no order: it is gone, and its id stays taken for other times"));
        }
        lines.extend(self.notes.iter().cloned());
        for difference in &self.named {
            let Difference { shard, lane, detail, .. } = difference;
            lines.push(format!("! shard {shard}, lane {lane}: {detail}"));
        }
        let unnamed = self.differences - self.named.len() as u64;
        if unnamed > 0 {
            lines.push(format!("! and {} more", grouped(unnamed)));
        }
        if self.undecided > 0 {
            lines.push(format!("{} facts could not be decided", grouped(self.undecided)));
        }
        lines.push(match self.differences {
            0 if self.undecided == 0 => String::from("No differences."),
            differences => format!("{} differences.", grouped(differences)),
        });
        lines.join("\n")
    }
}

impl LaneFigures {
    fn text(&self) -> String {
        let log = if self.log_is_whole { "all of" } else { "a part of" };
        format!(
            "shard {}, lane {}: {} stored, {} duplicate, {} dead; {} rows in the table; the log has {log} it, {} rows, {} frames compared",
            self.shard,
            self.lane,
            grouped(self.stored),
            grouped(self.duplicate),
            grouped(self.dead),
            grouped(self.rows_in_table),
            grouped(self.rows_in_log),
            grouped(self.frames_compared)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshot_of_differences() {
        let lane = LaneFigures {
            shard: ShardId(0),
            lane: Lane::Orders,
            position: None,
            stored: 12_000,
            duplicate: 3,
            dead: 1,
            rows_in_table: 11_999,
            rows_in_letters: 1,
            rows_in_log: 12_004,
            log_is_whole: true,
            frames_compared: 60,
        };
        let mut report = Report {
            lanes: vec![lane],
            orders_checked: 1000,
            facts_checked: 2000,
            views_checked: 500,
            index_entries_checked: 1000,
            order_times_checked: 1000,
            index_entries_without_order: 2,
            order_times_without_order: 1,
            explained: 4,
            undecided: 7,
            notes: vec!["a note".to_owned()],
            ..Report::default()
        };
        for number in 0..=NAMED_MAX {
            report.differs(ShardId(0), Lane::Orders, Kind::Order, format!("difference {number}"));
        }
        report.named.truncate(2);
        insta::assert_snapshot!(report.text());
        insta::assert_snapshot!(Report::default().text(), @"
        0 orders, 0 facts of them, 0 views, 0 index entries and 0 noted times checked
        No differences.
        ");
    }
}
