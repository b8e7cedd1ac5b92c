//! A Parquet file: an export, whose rows are orders (or events), or lines that a map makes orders (or events) of.
//!
//! | module | concept |
//! |---|---|
//! | `file` | the file, read from any place |
//! | `records` | the rows of an export |
//! | `table_rows` | its rows as those of a table |

mod file;
mod records;
mod table_rows;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result, bail};
use forebay_client::RecordKind;
use forebay_parquet::Table;
use forebay_service::BadSetting;

use self::file::PlacedFile;
use self::records::Records;
use self::table_rows::TableRows;
use crate::map::Map;
use crate::source::RecordSource;
use crate::source::input::Input;
use crate::source::rows::orders_of;

/// The records of a file, and how many of its bytes were read.
pub(crate) fn open(
    input: &Input,
    map: Option<&Arc<Map>>,
    kind: RecordKind,
) -> Result<(Box<dyn RecordSource>, Arc<AtomicU64>)> {
    let name = input.name();
    let file = match (input.object(), input.path().filter(|_| input.can_be_read_again())) {
        (Some(object), _) => PlacedFile::of_object(object),
        (None, Some(path)) => PlacedFile::open(path).with_context(|| format!("cannot open {name}"))?,
        (None, None) => bail!("{name} cannot be read as Parquet, which is read from its end: name a file"),
    };
    if !file.has_magic().with_context(|| format!("cannot read {name}"))? {
        bail!("{name} is not a Parquet file; if it is a compressed one, decompress it: Parquet is read from its end");
    }
    let bytes_read = Arc::clone(&file.bytes_read);
    let table = Table::open(file).map_err(anyhow::Error::msg);
    let table = table.with_context(|| format!("{name} is damaged, or was cut off"))?;
    Ok((records_of(table, map, kind).map_err(|what| BadSetting::new(format!("{name}: {what}")))?, bytes_read))
}

/// The records of its rows.
///
/// # Errors
/// The end of a sentence: its columns are not what it takes.
pub(crate) fn records_of(
    table: Table,
    map: Option<&Arc<Map>>,
    kind: RecordKind,
) -> Result<Box<dyn RecordSource>, String> {
    Ok(match map {
        Some(map) => {
            let (rows, header) = TableRows::new(table, map);
            orders_of(rows, header, Arc::clone(map)).map_err(|error| error.to_string())?
        }
        None => Box::new(Records::new(table, kind)?),
    })
}
