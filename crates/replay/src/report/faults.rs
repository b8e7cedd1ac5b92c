//! Faults of one kind, counted, and what helps.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// How many places of a kind of fault are told.
const PLACES_MAX: usize = 3;
/// How many kinds are told apart; files can have as many as they have lines.
const KINDS_MAX: usize = 10_000;
/// How many kinds are told.
const TOLD_MAX: usize = 20;

/// Records with one kind of fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultGroup {
    /// The code that rejected records have.
    pub code: String,
    /// What is wrong, with `…` for what differs.
    pub what: String,
    /// How many records have it.
    pub records: u64,
    /// The first of them.
    pub examples: Vec<FaultExample>,
    /// What to put into the map, where that is known.
    pub hint: Option<String>,
}

/// A record that has a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultExample {
    /// Its file.
    pub file: String,
    /// The line that it begins on.
    pub line: u64,
    /// What is wrong with it.
    pub detail: String,
}

/// A fault, ordered by its place in the files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FoundFault {
    /// Which file, counted from 0.
    pub(super) file: usize,
    pub(super) line: u64,
    pub(super) detail: String,
}

impl FoundFault {
    /// In files of these names.
    pub(super) fn told(&self, files: &[String]) -> FaultExample {
        let file = files.get(self.file).cloned().unwrap_or_default();
        FaultExample { file, line: self.line, detail: self.detail.clone() }
    }
}

/// Faults by kind.
#[derive(Default)]
pub(super) struct Faults(HashMap<(String, String), Group>);

#[derive(Default)]
struct Group {
    records: u64,
    first: Vec<FoundFault>,
}

impl Faults {
    pub(super) fn note(&mut self, code: &str, detail: &str, file: usize, line: u64) {
        let group = Group { records: 1, first: vec![FoundFault { file, line, detail: detail.to_owned() }] };
        self.add_group((code.to_owned(), kind(detail)), group);
    }

    pub(super) fn add(&mut self, other: Self) {
        for (kind, group) in other.0 {
            self.add_group(kind, group);
        }
    }

    fn add_group(&mut self, kind: (String, String), other: Group) {
        let kind =
            if self.0.len() >= KINDS_MAX && !self.0.contains_key(&kind) { (kind.0, "…".to_owned()) } else { kind };
        let group = self.0.entry(kind).or_default();
        group.records += other.records;
        group.first.extend(other.first);
        group.first.sort();
        group.first.truncate(PLACES_MAX);
    }

    /// The most frequent ones.
    pub(super) fn groups(&self, files: &[String]) -> Vec<FaultGroup> {
        let group = |((code, what), group): (&(String, String), &Group)| FaultGroup {
            code: code.clone(),
            what: what.clone(),
            records: group.records,
            examples: group.first.iter().map(|found| found.told(files)).collect(),
            hint: hint(code, what).map(str::to_owned),
        };
        let mut groups: Vec<FaultGroup> = self.0.iter().map(group).collect();
        groups.sort_by(|one, other| other.records.cmp(&one.records).then_with(|| one.what.cmp(&other.what)));
        groups.truncate(TOLD_MAX);
        groups
    }
}

/// What is wrong, without what differs from record to record: texts in quotes, and numbers.
fn kind(detail: &str) -> String {
    let detail = detail.strip_prefix("line ").and_then(|rest| rest.split_once(": ")).map_or(detail, |(_, rest)| rest);
    let (mut kind, mut rest) = (String::new(), detail);
    while let Some(c) = rest.chars().next() {
        let behind = &rest[c.len_utf8()..];
        rest = match c {
            '"' => {
                kind.push_str("\"…\"");
                behind_quote(behind)
            }
            '0'..='9' => {
                kind.push('…');
                behind.trim_start_matches(|c: char| c.is_ascii_digit())
            }
            _ => {
                kind.push(c);
                behind
            }
        };
    }
    kind
}

fn behind_quote(text: &str) -> &str {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !is_escaped => return &text[at + 1..],
            _ => is_escaped = c == '\\' && !is_escaped,
        }
    }
    ""
}

/// What helps. Faults that say it themselves need none.
fn hint(code: &str, what: &str) -> Option<&'static str> {
    const HINTS: [(&str, &str); 15] = [
        ("in the map", ""),
        (
            "is not a decimal number",
            "which signs separate the digits: decimal = \",\" and thousands = \".\"; what is no amount at all: skip_when",
        ),
        (
            "decimals",
            "scale = … says how many decimals become the minor unit; scale = \"currency\" takes those of the order's currency",
        ),
        ("where no thousands end", "decimal = … and thousands = … say which signs separate the digits"),
        ("is not a time of the form", "format = [\"…\", \"…\"] takes several forms"),
        (
            "its customer is",
            "order ids that stand for several customers: take another column for order_id, or leave it out (a line is an order then)",
        ),
        ("has … fields", "delimiter = \"…\" where fields are separated by another sign"),
        ("/quantity", "return_when = [{ … }] says which orders are returns, and skip_when which lines are no items"),
        ("must not come to a total", "return_when = [{ … }] says which orders are returns"),
        ("is not UTF-8", "encoding = \"windows-1252\", or whatever it is"),
        ("is no array of items", "items = \"…\" must lead to an array"),
        ("/timestamp", "format = … and zone = … of timestamp say how times are written"),
        ("lines_apart", "a larger lines_apart"),
        (
            "is empty",
            "default = \"…\" where a value may be missing; skip_when = [{ column = \"…\", empty = true }] for lines that are no orders",
        ),
        ("has no unit", "currency = …, or currency = { constant = \"EUR\" }"),
    ];
    if code == "write_off" {
        return Some("skip_when = [{ write_off = true }] passes over write-offs");
    }
    HINTS.iter().find(|(part, _)| what.contains(part)).map(|(_, hint)| *hint).filter(|hint| !hint.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_one_kind_are_counted_together() {
        let mut faults = Faults::default();
        faults.note("invalid", "line 7: Price \"1\\\"x\" is not a decimal number", 1, 7);
        faults.note("invalid", "line 3: Price \"two\" is not a decimal number", 0, 3);
        let mut other = Faults::default();
        other.note("write_off", "a write-off", 0, 1);
        faults.add(other);
        let groups = faults.groups(&["a.csv".to_owned(), "b.csv".to_owned()]);
        assert_eq!(groups[0].what, "Price \"…\" is not a decimal number");
        let lines: Vec<_> = groups[0].examples.iter().map(|example| (example.file.as_str(), example.line)).collect();
        assert_eq!((groups[0].records, lines), (2, vec![("a.csv", 3), ("b.csv", 7)]));
        assert!(
            groups[0].hint.as_ref().unwrap().contains("decimal")
                && groups[1].hint.as_ref().unwrap().contains("skip_when")
        );
    }

    #[test]
    fn numbers_and_texts_are_left_out_of_a_kind() {
        assert_eq!(kind("/items/12/quantity must be 1 or more"), "/items/…/quantity must be … or more");
        assert_eq!(kind("line 2: it has 3 fields"), "it has … fields");
        assert_eq!(kind("an open \"quote"), "an open \"…\"");
    }
}
