//! A dead letter.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use forebay_admin::dead::LetterReport;
use serde_json::value::RawValue;

use crate::text::or_dash;

/// How many of a letter's bytes are shown to people.
const BYTES_SHOWN: usize = 64;

/// A fact by column, each value as its JSON text.
type Columns = BTreeMap<String, Box<RawValue>>;

/// What it is, and beside it what is stored in its place.
pub fn letter_text(letter: &LetterReport) -> String {
    let at = |time: &Option<String>| time.clone().unwrap_or_else(|| "no".to_owned());
    let sqlstate = letter.sqlstate.as_ref().map_or_else(String::new, |code| format!(" (SQLSTATE {code})"));
    let hex = letter.bytes.as_deref().unwrap_or_default();
    let shown = hex.get(..2 * BYTES_SHOWN).unwrap_or(hex);
    let more = if shown.len() < hex.len() { "…" } else { "" };
    let mut lines = vec![
        format!("Letter {} of lane {}: {}", letter.address, letter.lane, letter.reason),
        format!("{}{sqlstate}", letter.detail),
        String::new(),
        format!("died      {}", letter.died_at),
        format!(
            "logged    {}, frame {}, row {}, rows {}",
            at(&letter.enqueued_at),
            letter.position,
            letter.row,
            letter.rows
        ),
        format!("requeued  {}", at(&letter.requeued_at)),
        format!("bytes     {}: {shown}{more}", hex.len() / 2),
        String::new(),
    ];
    let by_column = |fact: &Option<Box<RawValue>>| -> Columns {
        fact.as_ref().and_then(|fact| serde_json::from_str(fact.get()).ok()).unwrap_or_default()
    };
    lines.push(table(&by_column(&letter.content), &by_column(&letter.stored), &letter.differs));
    if !letter.differs.is_empty() {
        let names: Vec<&str> = letter.differs.iter().map(String::as_str).collect();
        lines.push(format!("\nThey differ in {}.", names.join(", ")));
    }
    lines.join("\n")
}

/// The fact by column; beside it the stored one, where there is one.
fn table(content: &Columns, stored: &Columns, differs: &BTreeSet<String>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    if stored.is_empty() {
        table.set_header(["column", "this letter"]);
    } else {
        table.set_header(["", "column", "this letter", "stored first"]);
    }
    let value = |columns: &Columns, name: &str| or_dash(columns.get(name).map(|value| value.get()));
    let names: BTreeSet<&String> = content.keys().chain(stored.keys()).collect();
    for name in names {
        let mut row = vec![name.clone(), value(content, name)];
        if !stored.is_empty() {
            row.insert(0, if differs.contains(name) { "≠" } else { "" }.to_owned());
            row.push(value(stored, name));
        }
        table.add_row(row);
    }
    table.to_string()
}
