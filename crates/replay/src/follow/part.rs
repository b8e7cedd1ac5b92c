//! The next part of a file that is followed.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use csv::ByteRecord;

use super::state::Followed;
use crate::format::Format;
use crate::journal::tally::Counts;
use crate::settings::Settings;
use crate::source::input::Input;
use crate::source::input::window::{Window, count_lines, last_line_end};
use crate::source::plan::{Plan, Reading};
use crate::source::rows::Rows;
use crate::source::rows::csv_rows::CsvRows;

/// A file that has not grown for so long is whole.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// What of a file is to be sent now; nothing where there is nothing. A part that was begun is given as it was.
///
/// # Errors
/// One sentence: it cannot be read, or its format is not known.
pub(super) fn next_part(path: &Path, followed: Followed, settings: &Settings) -> Result<Option<Followed>> {
    if followed.window.is_some() {
        return Ok(Some(followed));
    }
    let cannot = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(cannot)?;
    let meta = file.metadata().with_context(cannot)?;
    let (bytes, age) = (meta.len(), meta.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok()));
    let is_settled = age.is_some_and(|age| age >= SETTLED_AFTER);
    if bytes == followed.mark.bytes || followed.whole == Some(bytes) || bytes == 0 {
        return Ok(None);
    }
    let reading = Plan::of_inputs(vec![Input::new(path)], settings, Path::new(""))?.how(&Input::new(path))?;
    if !can_be_read_in_parts(&reading) {
        if !is_settled {
            return Ok(None);
        }
        return Followed { whole: Some(bytes), ..followed }.with_head(&file, bytes).map(Some).with_context(cannot);
    }
    let to = if is_settled { bytes } else { last_line_end(&file, bytes).with_context(cannot)? };
    let has_header = reading.format == Format::Csv;
    let header = if has_header { header(&file, reading.delimiter).with_context(cannot)? } else { (0, 0) };
    // Nothing but the order that was left stands there.
    let is_tried = !is_settled && to == followed.tried;
    if is_tried || to <= followed.mark.bytes.max(header.0) {
        return Ok(None);
    }
    let window = Window::new(followed.mark, to, is_settled, header);
    let part = Followed { window: Some(window), header, ..followed };
    part.with_head(&file, to).map(Some).with_context(cannot)
}

fn can_be_read_in_parts(reading: &Reading) -> bool {
    reading.is_plain && reading.lines_apart.is_none() && matches!(reading.format, Format::Csv | Format::Ndjson)
}

/// The bytes and the lines of the header.
fn header(file: &File, delimiter: u8) -> std::io::Result<(u64, u64)> {
    use std::io::{Read, Seek};
    let mut whole = file.try_clone()?;
    whole.rewind()?;
    let mut rows = CsvRows::new(whole, delimiter);
    rows.next(&mut ByteRecord::new())?;
    let bytes = rows.bytes();
    let mut head = file.try_clone()?;
    head.rewind()?;
    Ok((bytes, count_lines(head.take(bytes))?))
}

impl Followed {
    /// When all of the part is sent: how many records of the file are, and what has become of those of the part.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn sent(self, path: &Path, records: u64, counts: Counts) -> Result<Self> {
        let Some(window) = &self.window else { return Ok(self) };
        let cannot = || format!("cannot read {}", path.display());
        let file = File::open(path).with_context(cannot)?;
        let mark = window.end(&file, records).with_context(cannot)?;
        let mut all = self.counts;
        all += counts;
        Ok(Self { mark, counts: all, tried: window.to, window: None, ..self })
    }
}
