//! The next part of a file that is followed.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use csv::ByteRecord;
use forebay_model::order::ORDER_TEXT_BYTES_MAX;

use super::state::Followed;
use crate::format::Format;
use crate::journal::tally::Counts;
use crate::settings::Settings;
use crate::source::input::Input;
use crate::source::input::window::{Window, count_lines, last_line_end};
use crate::source::plan::Plan;
use crate::source::rows::Rows;
use crate::source::rows::csv_rows::CsvRows;

/// A file that has not grown for so long is whole.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// What of a file is to be sent now.
pub(super) enum Next {
    /// This part of it.
    Part(Followed),
    /// Nothing.
    Nothing,
    /// Nothing of its last line, which has no end though the file has not grown for a while: more of it may come.
    Unfinished,
}

/// What of a file is to be sent now. A part that was begun is given as it was.
///
/// # Errors
/// One sentence: it cannot be read, or its format is not known.
pub(super) fn next_part(path: &Path, followed: Followed, settings: &Settings) -> Result<Next> {
    if followed.window.is_some() {
        return Ok(Next::Part(followed));
    }
    let cannot = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(cannot)?;
    let meta = file.metadata().with_context(cannot)?;
    let (bytes, age) = (meta.len(), meta.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok()));
    let is_settled = age.is_some_and(|age| age >= SETTLED_AFTER);
    if bytes == followed.mark.bytes || followed.whole == Some(bytes) || bytes == 0 {
        return Ok(Next::Nothing);
    }
    let reading = Plan::of_inputs(vec![Input::new(path)], settings, Path::new(""))?.how(&Input::new(path))?;
    let is_of_lines = matches!(reading.format, Format::Csv | Format::Ndjson);
    if !(is_of_lines && reading.is_plain && reading.lines_apart.is_none()) {
        if !is_settled {
            return Ok(Next::Nothing);
        }
        if is_of_lines && !reading.is_compressed && !ends_with_a_line(&file, bytes).with_context(cannot)? {
            return Ok(Next::Unfinished);
        }
        let whole = Followed { whole: Some(bytes), ..followed }.with_head(&file, bytes);
        return whole.map(Next::Part).with_context(cannot);
    }
    let line_end = last_line_end(&file, bytes).with_context(cannot)?;
    let is_finished = || -> std::io::Result<bool> {
        Ok(line_end == bytes || reading.format == Format::Ndjson && is_json(&file, line_end..bytes)?)
    };
    let is_whole = is_settled && is_finished().with_context(cannot)?;
    let to = if is_whole { bytes } else { line_end };
    let nothing = if is_settled && !is_whole { Next::Unfinished } else { Next::Nothing };
    let has_header = reading.format == Format::Csv;
    let header = if has_header { header(&file, reading.delimiter).with_context(cannot)? } else { (0, 0) };
    // Nothing but the order that was left stands there.
    let is_tried = !is_whole && to == followed.tried;
    if is_tried || to <= followed.mark.bytes.max(header.0) {
        return Ok(nothing);
    }
    let window = Window::new(followed.mark, to, is_whole, header);
    let part = Followed { window: Some(window), header, ..followed };
    part.with_head(&file, to).map(Next::Part).with_context(cannot)
}

/// Whether the end of a line is the last that stands there, in UTF-16, too.
fn ends_with_a_line(file: &File, bytes: u64) -> std::io::Result<bool> {
    let mut last = [0; 2];
    let last = &mut last[..bytes.min(2) as usize];
    file.read_exact_at(last, bytes - last.len() as u64)?;
    Ok(last.ends_with(b"\n") || last == b"\n\0")
}

/// Whether that is a value of JSON: then no more of it can come.
fn is_json(file: &File, bytes: Range<u64>) -> std::io::Result<bool> {
    if bytes.end - bytes.start > ORDER_TEXT_BYTES_MAX as u64 {
        return Ok(false);
    }
    let mut text = vec![0; (bytes.end - bytes.start) as usize];
    file.read_exact_at(&mut text, bytes.start)?;
    Ok(serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok())
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
