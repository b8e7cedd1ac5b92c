//! What a run will do: files with their formats, checked before anything is sent.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use forebay_service::BadSetting;

use crate::fingerprint::Fingerprint;
use crate::source::RecordSource;
use crate::source::format::Format;
use crate::source::input::{Input, Opened};
use crate::source::item_rows::Lines;
use crate::source::item_rows::map::Map;
use crate::source::json::Json;
use crate::source::ndjson::Ndjson;
use crate::source::parquet;
use crate::source::rejected::{RejectedRecords, is_rejected};

/// The files of a run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) inputs: Vec<Input>,
    format: Option<Format>,
    map: Option<Arc<Map>>,
    /// The text of the map, in short.
    map_print: Fingerprint,
}

impl Plan {
    /// Checks that every file is there and can be read as what it is.
    ///
    /// # Errors
    /// One sentence about the first thing that is wrong.
    pub(crate) fn new(files: &[PathBuf], format: Option<Format>, map: Option<&Path>, resume: bool) -> Result<Self> {
        let inputs: Vec<Input> = files.iter().map(|path| Input::new(path)).collect();
        let text = map.and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        let map = map.map(Map::load).transpose()?.map(Arc::new);
        let plan = Self { inputs, format, map, map_print: Fingerprint::default().of(&text) };
        plan.check(resume)?;
        // Standard input and pipes can be read only once.
        for input in plan.inputs.iter().filter(|input| input.path().is_some()) {
            if !input.is_stream()? {
                plan.open(input)?;
            }
        }
        Ok(plan)
    }

    fn check(&self, resume: bool) -> Result<(), BadSetting> {
        let stdin = self.inputs.iter().filter(|input| input.path().is_none()).count();
        if stdin > 1 {
            return Err(BadSetting::new("standard input can be read only once"));
        }
        if stdin > 0 && resume {
            return Err(BadSetting::new("standard input cannot be resumed: name a file"));
        }
        match (self.format, &self.map) {
            (Some(Format::Csv), None) => Err(BadSetting::new("the format csv needs a --map")),
            (Some(Format::Ndjson | Format::Json), Some(_)) => {
                Err(BadSetting::new("a --map is for CSV and Parquet files, and --format says that these are none"))
            }
            _ => Ok(()),
        }
    }

    /// The file's records. Nothing for an empty file.
    ///
    /// # Errors
    /// One sentence: the file cannot be read, its format is not known, a column is missing.
    pub(crate) fn open(&self, input: &Input) -> Result<(Opening, Option<Box<dyn RecordSource>>)> {
        let opened = input.open()?;
        let opening = Opening { fingerprint: opened.fingerprint(), bytes_read: Arc::clone(&opened.bytes_read) };
        if opened.head.is_empty() {
            return Ok((opening, None));
        }
        let format = self.format_of(input, &opened)?;
        let source: Option<Box<dyn RecordSource>> = match (format, &self.map) {
            (Format::Parquet, map) => {
                let (source, bytes_read) = parquet::open(input, map.as_ref())?;
                return Ok((Opening { bytes_read, ..opening }, Some(source)));
            }
            (Format::Ndjson, _) if is_rejected(&opened.head) => Some(Box::new(RejectedRecords::new(opened.reader))),
            (Format::Ndjson, _) => Some(Box::new(Ndjson::new(opened.reader))),
            (Format::Json, _) => Some(Box::new(Json::new(opened.reader))),
            (Format::Csv, Some(map)) => {
                let csv = Lines::of_csv(opened.reader, Arc::clone(map)).with_context(|| input.name())?;
                csv.map(|csv| Box::new(csv) as Box<dyn RecordSource>)
            }
            (Format::Csv, None) => {
                let name = input.name();
                return Err(BadSetting::new(format!(
                    "{name}: a CSV file needs a --map that says which columns make an order"
                ))
                .into());
            }
        };
        Ok((opening, source))
    }

    /// How the file is read, in short: positions in it mean something only as long as this stays.
    pub(crate) fn reading(&self, input: &Input) -> String {
        let format = self.format.or_else(|| Format::of_name(input.path()?)).map_or("by its content", Format::name);
        format!("{format}, map {}", self.map_print)
    }

    fn format_of(&self, input: &Input, opened: &Opened) -> Result<Format> {
        let by_map = self.map.as_ref().map(|_| Format::Csv);
        let by_name = || input.path().and_then(Format::of_name);
        let by_head = || Format::of_head(&opened.head);
        self.format
            .or_else(by_name)
            .or_else(|| by_head().filter(|format| *format == Format::Parquet))
            .or(by_map)
            .or_else(by_head)
            .ok_or_else(|| {
                anyhow!("cannot tell the format of {}: say --format ndjson, json, csv or parquet", input.name())
            })
    }
}

/// A file that was opened.
pub(crate) struct Opening {
    /// A name for its contents.
    pub(crate) fingerprint: Fingerprint,
    /// How many of its bytes were read.
    pub(crate) bytes_read: Arc<std::sync::atomic::AtomicU64>,
}

/// Where rejected records of a file go if nothing is said: beside it, or into the working directory where one may not
/// write beside it.
pub(crate) fn default_rejects(input: &Input) -> PathBuf {
    let Some(path) = input.path() else { return PathBuf::from("stdin.rejects.ndjson") };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".rejects.ndjson");
    match path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        Some(dir) if tempfile::NamedTempFile::new_in(dir).is_ok() => dir.join(name),
        _ => PathBuf::from(name),
    }
}
