//! The tables of docs/SCALING.md: each stands there between `<!-- computed: NAME -->` and `<!-- end -->`.

use std::fmt::Write;
use std::fs;

use crate::{buckets, growth, links, moves, traffic};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SCALING.md");

/// Rows under a head.
pub(crate) struct Table(String);

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        let mut table = Self(String::new());
        table.line(&head.iter().map(ToString::to_string).collect::<Vec<_>>());
        table.line(&vec!["---".to_owned(); head.len()]);
        table
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: &[String; N]) {
        self.line(cells);
    }

    fn line(&mut self, cells: &[String]) {
        // Writing into a String cannot fail.
        let _ = writeln!(self.0, "| {} |", cells.join(" | "));
    }
}

/// With a comma before every three digits.
pub(crate) fn number(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

pub(crate) fn percent(part: f64) -> String {
    let percent = part * 100.0;
    if percent.abs() < 99.95 { format!("{percent:.1} %") } else { format!("{} %", number(percent.round() as u64)) }
}

#[test]
fn the_page_says_what_is_computed() {
    let tables = [
        ("buckets", buckets::table()),
        ("growth", growth::table()),
        ("moves", moves::table()),
        ("frames", traffic::frames_table()),
        ("notices", traffic::notices_table()),
        ("links", links::table()),
        ("bends", bends()),
    ];
    let kept = fs::read_to_string(PAGE).unwrap();
    let mut page = kept.clone();
    for (name, Table(table)) in &tables {
        let begin = format!("<!-- computed: {name} -->\n");
        let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("there is no place for {name}"));
        let (_, behind) = rest.split_once("<!-- end -->").unwrap();
        page = format!("{before}{begin}{table}<!-- end -->{behind}");
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(PAGE, &page).unwrap();
    }
    let there = fs::read_to_string(PAGE).unwrap();
    assert!(there == page, "docs/SCALING.md is stale; run: UPDATE=1 ./dev test -p forebay-model scale");
}

/// In the order in which a system that grows comes to them.
fn bends() -> Table {
    let mut table = Table::new(&["what bends", "from N on", "how"]);
    let mut bend = |what: &str, from: String, how: &str| table.row(&[what.to_owned(), from, how.to_owned()]);
    let alike = crate::fleet::Load::alike();
    bend(
        "one customer",
        format!("{:.0} shards", 1.0 / buckets::largest_customer()),
        "the largest of a million unlike customers has more orders than a shard's share",
    );
    bend(
        "a writer process",
        format!("{} shards", links::writer_memory_from()),
        "what its streams may hold, at the least that each gets, is more than 64 MiB (`--writer-memory-max`)",
    );
    bend(
        "a query process",
        format!("{} shards", links::query_connections_from()),
        "it has more than 1,024 connections to primaries alone",
    );
    bend(
        "growing one by one",
        format!("{} shards", growth::grows_up_to(&alike) + 1),
        "the new shard, or the fullest, is further than 5 % from its share",
    );
    bend(
        "buckets",
        format!("{} shards", buckets::near_up_to() + 1),
        "whole buckets are too large a part of a shard: a first map has shards of more than 5 % above their share",
    );
    bend(
        "notices, under load",
        format!("{} shards", traffic::busy_notices_from()),
        "notices are 125 MB/s, a line of 1 Gbit/s, to each query process",
    );
    bend(
        "positions in headers",
        format!("{} shards", links::long_positions_from()),
        "the positions of an answer of everybody's orders, and a large batch's receipt, are more than 8 KiB",
    );
    bend(
        "frames of derived facts",
        format!("{} shards", traffic::thin_frames_from()),
        "a frame has fewer than two facts: each costs the log what a full frame costs",
    );
    bend(
        "notices, idle",
        format!("{} shards", traffic::idle_notices_from()),
        "signs of life alone are 10 MB/s to each query process",
    );
    bend(
        "the map",
        moves::map_beyond().map_or_else(|| "none".to_owned(), |shards| format!("{shards} shards")),
        "where as many units as may be are under way, and all others kept where they were, the map does not fit into a message of NATS (1 MiB)",
    );
    bend(
        "a shard's connections",
        format!("{} query processes", links::query_processes_beyond()),
        "more than the 100 connections of Postgres by default",
    );
    table
}
