//! What a run will do: files with their formats, checked before anything is sent.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use forebay_service::BadSetting;
use serde::de::IgnoredAny;

use crate::event::{Event, Tell};
use crate::fingerprint::Fingerprint;
use crate::map::Map;
use crate::settings::Settings;
use crate::source::RecordSource;
use crate::source::format::Format;
use crate::source::input::name::{KnownNames, Named, SourceName};
use crate::source::input::{Input, Opened};
use crate::source::parquet;
use crate::source::records::json::Json;
use crate::source::records::mapped::MappedLines;
use crate::source::records::ndjson::Ndjson;
use crate::source::records::rejected::{RejectedRecords, is_rejected};
use crate::source::rows::orders_of_csv;

/// The files of a run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) inputs: Vec<Input>,
    format: Option<Format>,
    map: Option<Arc<Map>>,
    /// The text of the map, in short.
    map_print: Fingerprint,
    /// The name that was given to the files.
    given_name: Option<SourceName>,
    /// Where it is kept what files are named; nothing where nothing is sent.
    names: Option<KnownNames>,
}

impl Plan {
    /// Checks that every file is there and can be read as what it is. `state_dir` is where it is kept what files are named.
    ///
    /// # Errors
    /// One sentence about the first thing that is wrong.
    pub(crate) fn new(settings: &Settings, state_dir: &Path) -> Result<Self> {
        let inputs: Vec<Input> = settings.files.iter().map(|path| Input::new(path)).collect();
        let (map, map_print) = load_map(settings.map.as_deref())?;
        let plan = Self {
            inputs,
            format: settings.format.or_else(|| map.as_ref().and_then(|map| map.format)),
            map,
            map_print,
            given_name: settings.source.as_deref().map(SourceName::given),
            names: (!settings.dry_run).then(|| KnownNames::new(state_dir)),
        };
        plan.check(settings.resume)?;
        // Standard input and pipes can be read only once.
        for input in plan.inputs.iter().filter(|input| input.path().is_some()) {
            if !input.is_stream()? {
                plan.open(input)?;
            }
        }
        Ok(plan)
    }

    /// One file, read by a map, of which nothing is sent.
    pub(crate) fn of_file(file: &Path, map: Map) -> Self {
        Self {
            inputs: vec![Input::new(file)],
            format: map.format,
            map: Some(Arc::new(map)),
            map_print: Fingerprint::default(),
            given_name: None,
            names: None,
        }
    }

    fn check(&self, resume: bool) -> Result<(), BadSetting> {
        let stdin = self.inputs.iter().filter(|input| input.path().is_none()).count();
        if stdin > 1 {
            return Err(BadSetting::new("standard input can be read only once"));
        }
        if stdin > 0 && resume {
            return Err(BadSetting::new("standard input cannot be resumed: name a file"));
        }
        if self.given_name.is_some() && self.inputs.len() > 1 {
            return Err(BadSetting::new("--source names one file, and there are several"));
        }
        match (self.format, &self.map) {
            (Some(Format::Csv), None) => Err(BadSetting::new("the format csv needs a --map")),
            (Some(Format::Ndjson | Format::Json), Some(map)) if !map.is_of_json() => {
                Err(BadSetting::new("the map is for tables, and the format says that there are none"))
            }
            (Some(Format::Csv | Format::Parquet), Some(map)) if map.is_of_json() => {
                Err(BadSetting::new("the map is for JSON, and the format says that there is none"))
            }
            _ => Ok(()),
        }
    }

    /// The file's records. Nothing for an empty file.
    ///
    /// # Errors
    /// One sentence: the file cannot be read, its format is not known, a column is missing.
    pub(crate) fn open(&self, input: &Input) -> Result<(Opening, Option<Box<dyn RecordSource>>)> {
        let encoding = self.map.as_ref().and_then(|map| map.encoding.as_deref());
        let opened = input.open(encoding)?;
        let guessed = opened.encoded.is_guessed.then(|| opened.encoded.encoding.name());
        let bytes_read = Arc::clone(&opened.bytes_read);
        let opening = |format| {
            let Named { name, grown_from } = self.name(input, &opened.raw_head, format)?;
            anyhow::Ok(Opening { name, grown_from, guessed, bytes_read })
        };
        if opened.head.is_empty() {
            return Ok((opening(Format::Ndjson)?, None));
        }
        let format = self.format_of(input, &opened)?;
        let opening = opening(format)?;
        let Opened { reader, head, .. } = opened;
        let source: Option<Box<dyn RecordSource>> = match (format, &self.map) {
            (Format::Parquet, map) => {
                let (source, bytes_read) = parquet::open(input, map.as_ref())?;
                return Ok((Opening { bytes_read, ..opening }, Some(source)));
            }
            (Format::Ndjson, _) if is_rejected(&head) => Some(Box::new(RejectedRecords::new(reader))),
            (Format::Ndjson | Format::Json, Some(map)) if !map.is_of_json() => {
                return Err(BadSetting::new(format!("{} is JSON, and the map is for tables", input.name())).into());
            }
            (Format::Csv, Some(map)) if map.is_of_json() => {
                return Err(BadSetting::new(format!("{} is a table, and the map is for JSON", input.name())).into());
            }
            (Format::Ndjson, None) => Some(Box::new(Ndjson::new(reader))),
            (Format::Ndjson, Some(map)) => Some(Box::new(MappedLines::new(reader, Arc::clone(map)))),
            (Format::Json, None) => Some(Box::new(Json::new(reader))),
            (Format::Json, Some(map)) => Some(Box::new(Json::mapped(reader, Arc::clone(map)))),
            (Format::Csv, Some(map)) => orders_of_csv(reader, Arc::clone(map)).with_context(|| input.name())?,
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

    fn name(&self, input: &Input, head: &[u8], format: Format) -> Result<Named> {
        let is_kept = input.can_be_read_again() && !head.is_empty();
        match (&self.given_name, &self.names) {
            (Some(name), _) => Ok(Named { name: name.clone(), grown_from: None }),
            (None, Some(names)) if is_kept => names.name(head, format == Format::Csv, &input.name()),
            _ => Ok(Named { name: SourceName::of(head), grown_from: None }),
        }
    }

    fn format_of(&self, input: &Input, opened: &Opened) -> Result<Format> {
        let is_of_json = self.map.as_ref().map(|map| map.is_of_json());
        let by_name = || input.path().and_then(Format::of_name);
        let by_head = || Format::of_head(&opened.head);
        let by_map = || match is_of_json? {
            // Whether each line is a document, or all of them are one.
            true if is_document(opened.head.split(|&byte| byte == b'\n').next()?) => Some(Format::Ndjson),
            true => Some(Format::Json),
            false => Some(Format::Csv),
        };
        self.format
            .or_else(by_name)
            .or_else(|| by_head().filter(|format| *format == Format::Parquet))
            .or_else(by_map)
            .or_else(by_head)
            .ok_or_else(|| {
                anyhow!("cannot tell the format of {}: say --format ndjson, json, csv or parquet", input.name())
            })
    }
}

fn load_map(path: Option<&Path>) -> Result<(Option<Arc<Map>>, Fingerprint)> {
    let Some(path) = path else { return Ok((None, Fingerprint::default())) };
    let (map, text) = Map::load(path)?;
    Ok((Some(Arc::new(map)), Fingerprint::default().of(text.as_bytes())))
}

fn is_document(line: &[u8]) -> bool {
    let mut line = serde_json::Deserializer::from_reader(Cursor::new(line));
    serde::Deserialize::deserialize(&mut line).is_ok_and(|IgnoredAny| line.end().is_ok())
}

/// A file that was opened.
pub(crate) struct Opening {
    /// What tells it from others.
    pub(crate) name: SourceName,
    /// Where the file lay that it has grown from.
    pub(crate) grown_from: Option<String>,
    /// Its encoding, where that was guessed.
    pub(crate) guessed: Option<&'static str>,
    /// How many of its bytes were read.
    pub(crate) bytes_read: Arc<std::sync::atomic::AtomicU64>,
}

impl Opening {
    /// Says what was not certain.
    pub(crate) fn tell(&self, input: &Input, tell: &Tell) {
        let file = input.name();
        if let Some(encoding) = self.guessed {
            tell(Event::Guessed { file: file.clone(), encoding });
        }
        if let Some(from) = self.grown_from.clone().filter(|from| *from != file) {
            tell(Event::Grown { file, from });
        }
    }
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
