//! What is to move, and how far it has come.

use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use forebay_admin::moves::plan::Plan;
use forebay_admin::moves::progress::{Progress, Watched};
use forebay_model::StreamKind;

use crate::text::grouped;

/// How far it has come, how fast it is, and how long it still takes at that.
pub fn progress_text(watched: &Watched, rows: u64, since: Duration) -> String {
    let Watched { units, there, stopped, waiting, held_up, rows_left, .. } = *watched;
    let count = |units: usize| grouped(units as u64);
    let under_way = count(units - there - stopped - waiting);
    let (there, waiting) = (count(there), count(waiting));
    let mut told = vec![format!("{there} of {} parts are there, {under_way} under way, {waiting} wait", count(units))];
    if stopped > 0 {
        told.push(format!(", {} stay where they were", count(stopped)));
    }
    let rate = rows as f64 / since.as_secs_f64().max(0.001);
    if held_up > 0 {
        told.push(format!(
            "; {} of those that wait cannot begin before shards have deleted the rows that they keep of them: see `forebay shards status`",
            count(held_up)
        ));
    } else if rows > 0 && !watched.is_over() {
        told.push(format!("; {} rows/s, about {:.0} s left", grouped(rate as u64), rows_left as f64 / rate));
    }
    if watched.paused && !watched.is_over() {
        told.push("; it is held: `forebay shards resume` goes on".to_owned());
    }
    told.concat()
}

/// What is planned, as people read it.
pub fn plan_text(plan: &Plan) -> String {
    if plan.moves.is_empty() {
        return match plan.under_way {
            0 => "Nothing has to move.".to_owned(),
            units => format!("Nothing more has to move; {} parts are under way.", grouped(units as u64)),
        };
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["shard", "buckets", "then", "rows", "then", "MiB come"]);
    for column in 1..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for shard in &plan.shards {
        table.add_row([
            shard.shard.to_string(),
            grouped(shard.buckets as u64),
            grouped(shard.buckets_after as u64),
            grouped(shard.rows),
            grouped(shard.rows_after),
            grouped(shard.bytes_come >> 20),
        ]);
    }
    let of = |stream| plan.moves.iter().filter(|of| of.stream == stream).count() as u64;
    let (logged, derived) = (of(StreamKind::Logged), of(StreamKind::Derived));
    let what = format!(
        "{} buckets of what was logged move, and {} of what follows from it: {} rows, about {} MiB.",
        grouped(logged),
        grouped(derived),
        grouped(plan.rows),
        grouped(plan.bytes >> 20)
    );
    format!("{what}\n{}", table.trim_fmt())
}

/// What moves, and how far it has come.
pub fn moves_text(progress: &Progress) -> String {
    let mut lines = Vec::new();
    if progress.ways.is_empty() {
        lines.push("Nothing moves.".to_owned());
    } else {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["from", "to", "waiting", "under way", "going back", "there, kept where they were"]);
        for column in 2..6 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for way in &progress.ways {
            let count = |units: usize| grouped(units as u64);
            let counts = [way.waiting, way.under_way, way.turned_back, way.kept].map(count);
            table.add_row([vec![way.from.to_string(), way.to.to_string()], counts.to_vec()].concat());
        }
        lines.push(table.trim_fmt());
        let phases: Vec<String> =
            progress.phases.iter().map(|(phase, units)| format!("{} {phase}", grouped(*units as u64))).collect();
        if !phases.is_empty() {
            lines.push(format!("By phase: {}.", phases.join(", ")));
        }
    }
    let (copied, cleaned) = (grouped(progress.rows_copied), grouped(progress.rows_cleaned));
    lines.push(format!("{copied} rows have come from other shards, and {cleaned} were deleted that others own."));
    if progress.pace.paused {
        lines.push("What can be held is held: `forebay shards resume` goes on.".to_owned());
    }
    if let Some(rate) = progress.pace.rows_per_s {
        lines.push(format!("At most {} rows a second are copied from each shard.", grouped(rate.get().into())));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use forebay_admin::moves::plan::{PlannedMove, PlannedShard};
    use forebay_admin::moves::progress::WayProgress;
    use forebay_model::{Bucket, Pace, ShardId};

    use super::*;

    #[test]
    fn snapshot_of_a_plan() {
        let shard = |shard, buckets, buckets_after, rows, rows_after, bytes_come| PlannedShard {
            shard: ShardId(shard),
            buckets,
            buckets_after,
            rows,
            rows_after,
            bytes_come,
        };
        let moves = [(StreamKind::Logged, 0), (StreamKind::Logged, 2), (StreamKind::Derived, 4)];
        let moves = moves.map(|(stream, bucket)| PlannedMove {
            stream,
            bucket: Bucket::new(bucket).unwrap(),
            from: ShardId(0),
            to: ShardId(1),
            rows: 2000,
            bytes: 1 << 20,
        });
        let shards = vec![shard(0, 2048, 2046, 1_000_000, 994_000, 0), shard(1, 2048, 2050, 900_000, 906_000, 3 << 20)];
        let plan = Plan { moves: moves.into(), shards, rows: 6000, bytes: 3 << 20, ..Plan::default() };
        insta::assert_snapshot!(plan_text(&plan));
        assert_eq!(plan_text(&Plan::default()), "Nothing has to move.");
    }

    #[test]
    fn progress_is_told_with_rate_and_time_left() {
        let watched =
            Watched { units: 100, there: 40, stopped: 1, waiting: 50, rows_left: 60_000, ..Watched::default() };
        let told = progress_text(&watched, 40_000, Duration::from_secs(20));
        assert_eq!(
            told,
            "40 of 100 parts are there, 9 under way, 50 wait, 1 stay where they were; 2,000 rows/s, about 30 s left"
        );
        let held_up = progress_text(&Watched { held_up: 7, ..watched.clone() }, 40_000, Duration::from_secs(20));
        assert_eq!(
            held_up,
            "40 of 100 parts are there, 9 under way, 50 wait, 1 stay where they were; 7 of those that wait cannot begin \
             before shards have deleted the rows that they keep of them: see `forebay shards status`"
        );
        let over = Watched { there: 99, waiting: 0, ..watched };
        assert_eq!(
            progress_text(&over, 40_000, Duration::from_secs(20)),
            "99 of 100 parts are there, 0 under way, 0 wait, 1 stay where they were"
        );
    }

    #[test]
    fn snapshot_of_what_moves() {
        let way =
            WayProgress { from: ShardId(0), to: ShardId(3), waiting: 1000, under_way: 32, kept: 300, turned_back: 1 };
        let pace = Pace { paused: true, rows_per_s: NonZeroU32::new(5000), keep_s: None };
        let mut progress = Progress {
            epoch: 12,
            pace,
            ways: vec![way],
            phases: [("copying", 30), ("owned", 300), ("routed", 2), ("turned_back", 1)].into(),
            stopped: Vec::new(),
            rows_copied: 123_456,
            rows_cleaned: 7,
            standing: Vec::new(),
            warnings: Vec::new(),
        };
        insta::assert_snapshot!(moves_text(&progress));
        progress = Progress { pace: Pace::default(), ways: Vec::new(), phases: [].into(), ..progress };
        insta::assert_snapshot!(moves_text(&progress));
    }
}
