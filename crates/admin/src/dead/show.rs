//! `forebay dead show`: everything that is known of one letter.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Context, Result};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use forebay_shard::{DeadLetter, LetterFilter};

use super::address::LetterAddress;
use super::letter::{Shown, differing};
use super::pool_settings;
use crate::columns::{Columns, columns};
use crate::hex::hex;
use crate::system::SystemSettings;

/// How many of a letter's bytes are shown to people.
const BYTES_SHOWN: usize = 64;

/// What `dead show` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemSettings,

    /// The letter
    #[arg(value_name = "SHARD/ID")]
    pub letter: LetterAddress,

    /// Print it as JSON, with all of its bytes in hexadecimal
    #[arg(long)]
    pub json: bool,
}

/// Prints it.
pub(super) async fn run(settings: &Settings) -> Result<ExitCode> {
    let LetterAddress { shard, id } = settings.letter;
    let pools = settings.system.pools(Some(shard), &pool_settings())?;
    let pool = pools.first().context("there is no such shard")?;
    let mut connection = pool.acquire().await?;
    let filter = LetterFilter { ids: Some(vec![id]), ..LetterFilter::default() };
    let letters = DeadLetter::newest(&mut connection, &filter, 1).await;
    let letters = letters.with_context(|| format!("the dead letters of shard {shard} cannot be read"))?;
    let letter = letters.first().with_context(|| format!("there is no dead letter {}", settings.letter))?;
    if settings.json {
        println!("{}", serde_json::to_string_pretty(&Shown::whole(shard, letter))?);
    } else {
        println!("{}", text(settings.letter, letter));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(address: LetterAddress, letter: &DeadLetter) -> String {
    let at = |time: Option<forebay_model::Timestamp>| time.map_or_else(|| "no".to_owned(), |at| at.to_string());
    let sqlstate = letter.sqlstate.as_ref().map_or_else(String::new, |code| format!(" (SQLSTATE {code})"));
    let shown = &letter.tuple[..letter.tuple.len().min(BYTES_SHOWN)];
    let more = if shown.len() < letter.tuple.len() { "…" } else { "" };
    let mut lines = vec![
        format!("Letter {address} of lane {}: {}", letter.lane, letter.reason),
        format!("{}{sqlstate}", letter.detail),
        String::new(),
        format!("died      {}", letter.died_at),
        format!(
            "logged    {}, frame {}, row {}, rows {}",
            at(letter.enqueued_at),
            letter.position,
            letter.row,
            letter.rows
        ),
        format!("requeued  {}", at(letter.requeued_at)),
        format!("bytes     {}: {}{more}", letter.tuple.len(), hex(shown)),
        String::new(),
    ];
    let differs = differing(letter);
    let by_column = |fact: &Option<String>| columns(fact.as_deref().unwrap_or_default());
    lines.push(table(&by_column(&letter.content), &by_column(&letter.stored), &differs));
    if !differs.is_empty() {
        let names: Vec<&str> = differs.iter().map(String::as_str).collect();
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
    let value = |columns: &Columns, name: &str| columns.get(name).map_or("–", |value| value.get()).to_owned();
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
