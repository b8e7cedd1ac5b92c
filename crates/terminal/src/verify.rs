//! What `forebay verify` has found.

use forebay_admin::moves::buckets::{BucketOnShard, BucketReport};
use forebay_admin::verify::{Difference, LaneFigures, Report, Unfinished};
use forebay_model::ShardId;

use crate::text::grouped;

/// A line for each bucket that more than one shard has to do with, and one for each difference.
pub fn buckets_text(reports: &[BucketReport]) -> String {
    let mut lines = Vec::new();
    let (mut rows, mut differences) = (0, 0);
    for report in reports {
        let name = format!("bucket {} ({})", report.bucket, report.stream);
        rows += report.shards.iter().map(|side| side.rows).sum::<u64>();
        differences += report.differences.len();
        if report.shards.len() > 1 {
            let side = |side: &BucketOnShard| {
                let missing = if side.missing > 0 {
                    format!(", {} to come", grouped(side.missing as u64))
                } else {
                    String::new()
                };
                format!("shard {} {}, {} rows{missing}", side.shard, side.state, grouped(side.rows))
            };
            lines.push(format!("{name}: {}", report.shards.iter().map(side).collect::<Vec<_>>().join("; ")));
        }
        lines.extend(report.differences.iter().map(|difference| format!("! {name}: {difference}")));
    }
    lines.push(format!("{} buckets, {} rows compared", grouped(reports.len() as u64 / 2), grouped(rows)));
    lines.push(if differences == 0 { String::from("No differences.") } else { format!("{differences} differences.") });
    lines.join("\n")
}

/// What was looked at, and what differs. `only` is the shard that alone was to be looked at, where it was one.
pub fn verify_text(report: &Report, only: Option<ShardId>) -> String {
    let mut lines: Vec<String> = report.lanes.iter().map(lane_text).collect();
    lines.push(format!(
        "{} orders, {} facts of them, {} views, {} index entries and {} noted times checked",
        grouped(report.orders_checked),
        grouped(report.facts_checked),
        grouped(report.views_checked),
        grouped(report.index_entries_checked),
        grouped(report.order_times_checked)
    ));
    if report.explained > 0 {
        lines.push(format!(
            "{} differences are accounted for by dead letters or accepted losses",
            grouped(report.explained)
        ));
    }
    if report.order_times_without_order > 0 {
        let times = grouped(report.order_times_without_order);
        lines.push(format!("{times} noted times have no order: it is gone, and its id stays taken for other times"));
    }
    lines.extend(report.notes.iter().cloned());
    for difference in &report.named {
        let Difference { shard, of, detail, .. } = difference;
        lines.push(format!("! shard {shard}, {of}: {detail}"));
    }
    let unnamed = report.differences - report.named.len() as u64;
    if unnamed > 0 {
        lines.push(format!("! and {} more", grouped(unnamed)));
    }
    if report.pending > 0 {
        lines.push(format!("{} facts are pending: not there, and maybe on their way", grouped(report.pending)));
    }
    let unfinished: Vec<String> = report.unfinished.iter().map(|Unfinished { shard, .. }| shard.to_string()).collect();
    let found = match report.differences {
        0 if report.pending == 0 || !unfinished.is_empty() => String::from("No differences"),
        differences => format!("{} differences", grouped(differences)),
    };
    // In the same line: who reads only the last one must not take a part for the whole.
    lines.push(match (&unfinished[..], only) {
        ([], None) => format!("{found}."),
        ([], Some(only)) => format!("{found} on shard {only}, the only one that was looked at."),
        (shards, _) => format!("{found} in what was looked at; not looked at to its end: shard {}.", shards.join(", ")),
    });
    lines.join("\n")
}

fn lane_text(lane: &LaneFigures) -> String {
    let log = if lane.log_is_whole { "all of" } else { "a part of" };
    format!(
        "shard {}, lane {}: {} stored, {} duplicate, {} dead; {} rows in the table; the log has {log} it, {} rows, {} frames compared",
        lane.shard,
        lane.lane,
        grouped(lane.stored),
        grouped(lane.duplicate),
        grouped(lane.dead),
        grouped(lane.rows_in_table),
        grouped(lane.rows_in_log),
        grouped(lane.frames_compared)
    )
}

#[cfg(test)]
mod tests {
    use forebay_admin::verify::DifferenceKind;
    use forebay_model::Lane;

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
        let difference = |number| Difference {
            shard: ShardId(0),
            of: Lane::Orders.into(),
            kind: DifferenceKind::Order,
            detail: format!("difference {number}"),
        };
        let report = Report {
            differences: 101,
            named: vec![difference(0), difference(1)],
            lanes: vec![lane],
            orders_checked: 1000,
            facts_checked: 2000,
            views_checked: 500,
            index_entries_checked: 1000,
            order_times_checked: 1000,
            order_times_without_order: 1,
            explained: 4,
            pending: 7,
            notes: vec!["a note".to_owned()],
            unfinished: Vec::new(),
        };
        insta::assert_snapshot!(verify_text(&report, None));
        insta::assert_snapshot!(verify_text(&Report::default(), None), @"
        0 orders, 0 facts of them, 0 views, 0 index entries and 0 noted times checked
        No differences.
        ");
        insta::assert_snapshot!(verify_text(&Report::default(), Some(ShardId(1))), @"
        0 orders, 0 facts of them, 0 views, 0 index entries and 0 noted times checked
        No differences on shard 1, the only one that was looked at.
        ");
        let unfinished = [1, 2].map(|shard| Unfinished { shard: ShardId(shard), why: "it is away".to_owned() });
        insta::assert_snapshot!(verify_text(&Report { unfinished: unfinished.into(), ..Report::default() }, None), @"
        0 orders, 0 facts of them, 0 views, 0 index entries and 0 noted times checked
        No differences in what was looked at; not looked at to its end: shard 1, 2.
        ");
    }
}
