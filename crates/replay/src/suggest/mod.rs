//! A map for a file, suggested by what its beginning looks like.
//!
//! It says what it is not certain of, in the map itself, and never decides in silence. What it suggests is read as any map
//! is, so the first orders that it shows are those that a replay would send.
//!
//! | module | concept |
//! |---|---|
//! | `sample` | columns or paths, and what stands under them |
//! | `roles` | which column is what |
//! | `times`, `numbers` | how they are written |
//! | `documents` | where in a JSON document the orders stand |
//! | `writing` | the map, with its doubts |

mod documents;
mod numbers;
mod roles;
mod sample;
mod times;
mod writing;

use std::path::Path;

use anyhow::{Context, Result, bail};

use self::sample::{Sample, Shape};
use crate::chunk::{ChunkBuilder, ChunkSize};
use crate::format::Format;
use crate::map::Map;
use crate::map::named::{NAMED_MAPS, NamedMap};
use crate::source::input::{HEAD_BYTES, Input};
use crate::source::plan::Plan;
use crate::source::records::view_export::{EXPORT_OF_VIEW, is_export_of_view};

/// How many orders are shown.
const SHOWN: usize = 5;

/// A map for a file.
#[derive(Clone, Debug)]
pub struct Suggestion {
    /// The map, as a file would have it, with its doubts as comments.
    pub text: String,
    /// What is not certain, a sentence each.
    pub doubts: Vec<String>,
    /// The map that comes with Forebay for files of this shape.
    pub named: Option<&'static str>,
    /// What the first orders of the file become by it: JSON, or why it would be rejected.
    pub first: Vec<std::result::Result<String, String>>,
}

/// Suggests a map for a file.
///
/// # Errors
/// One sentence: the file cannot be read, needs no map, or shows nothing of orders.
pub fn suggest(path: &Path) -> Result<Suggestion> {
    let input = Input::new(path);
    let opened = input.open(None)?;
    let name = input.name();
    let is_whole = opened.raw_head.len() < HEAD_BYTES;
    let format = Format::of_head(&opened.head).or_else(|| Format::of_name(path));
    let (sample, named) = match format {
        Some(Format::Parquet) => {
            bail!("{name} is a Parquet file: it says itself what its columns are; write the map by hand")
        }
        Some(Format::Json | Format::Ndjson) => {
            let found = documents::find(&opened.head, is_whole);
            let sample = found.with_context(|| format!("{name} is JSON, and no orders with items were found in it"))?;
            if is_export_of_view(&opened.head) {
                bail!("{name} is {EXPORT_OF_VIEW}");
            }
            if is_own(&sample) {
                bail!("{name} needs no map: its orders are in Forebay's own form, and are replayed as they are");
            }
            let named = named_for_json(&sample);
            (sample, named)
        }
        _ => {
            let sample = Sample::of_table(&opened.head, is_whole);
            let header: Vec<String> = sample.columns.iter().map(|column| column.name.clone()).collect();
            let Shape::Table { delimiter } = sample.shape else { bail!("{name} is no table") };
            let named = NAMED_MAPS.iter().find(|map| map.fits(&header) && map.has_delimiter(delimiter));
            (sample, named)
        }
    };
    if sample.columns.len() < 2 {
        bail!("{name} shows no columns that are separated by any of , ; tab |");
    }
    let encoding = opened.encoded.is_guessed.then(|| opened.encoded.encoding.name());
    let written = writing::write(&sample, encoding, &name);
    let (text, doubts) = match named {
        Some(map) => (map.text.to_owned(), Vec::new()),
        None => (written.text, written.doubts),
    };
    let first = first_orders(path, &text)?;
    Ok(Suggestion { text, doubts, named: named.map(|map| map.name), first })
}

/// Whether these are orders as ingest takes them.
fn is_own(sample: &Sample) -> bool {
    let Shape::Json { orders, items, .. } = &sample.shape else { return false };
    // Lines, or an array.
    if orders.as_deref().is_some_and(|orders| orders != "$[*]") || items != "$.items[*]" {
        return false;
    }
    let own = ["$.customer_id", "@.sku", "@.quantity", "@.price"];
    own.iter().all(|path| sample.column(path).is_some())
}

/// The map for exactly these paths.
fn named_for_json(sample: &Sample) -> Option<&'static NamedMap> {
    let Shape::Json { orders, items, .. } = &sample.shape else { return None };
    NAMED_MAPS.iter().find(|named| {
        let Ok(map) = Map::parse(named.text) else { return false };
        let orders_of_map = map.records.as_ref().map(ToString::to_string);
        let there = map.paths().filter(|(_, path)| sample.column(&path.to_string()).is_some()).count();
        let known = map.paths().count();
        orders_of_map == *orders
            && map.items.as_ref().is_some_and(|field| field.title == *items)
            && there * 3 >= known * 2
    })
}

fn first_orders(path: &Path, text: &str) -> Result<Vec<std::result::Result<String, String>>> {
    let map = Map::parse(text).map_err(|reason| anyhow::anyhow!("the suggested map: {reason}"))?;
    let (_, source) = Plan::of_file(path, map).open(&Input::new(path))?;
    let Some(mut source) = source else { return Ok(Vec::new()) };
    let mut builder = ChunkBuilder::new(ChunkSize { records: SHOWN, bytes: usize::MAX });
    while !builder.is_full() && source.fill(&mut builder)? {}
    let chunk = builder.take(0, 0, 0, 0);
    let lines = chunk.body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).take(SHOWN);
    let sent = lines.map(|line| Ok(String::from_utf8_lossy(line).into_owned()));
    let refused = chunk.refused.iter().map(|refusal| Err(format!("{}: {}", refusal.code, refusal.detail)));
    Ok(sent.chain(refused).collect())
}
