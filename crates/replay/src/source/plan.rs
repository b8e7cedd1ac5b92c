//! What a run will do: files with their formats, checked before anything is sent.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use forebay_client::RecordKind;
use forebay_service::BadSetting;
use serde::de::IgnoredAny;

use crate::event::{Event, Tell};
use crate::fingerprint::Fingerprint;
use crate::format::Format;
use crate::map::Map;
use crate::settings::{Database, Settings};
use crate::source::input::listing::files;
use crate::source::input::name::{KnownNames, Named, SourceName};
use crate::source::input::object::Object;
use crate::source::input::{Input, Opened};
use crate::source::no_map::next_step;
use crate::source::records::json::Json;
use crate::source::records::mapped::MappedLines;
use crate::source::records::ndjson::Ndjson;
use crate::source::records::rejected::{RejectedRecords, is_rejected};
use crate::source::records::view_export::{EXPORT_OF_VIEW, is_export_of_view};
use crate::source::rows::query_rows::Query;
use crate::source::rows::{orders_of, orders_of_csv};
use crate::source::{RecordSource, parquet};

/// The files of a run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    kind: RecordKind,
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
        let mut inputs = Vec::new();
        for path in files(&settings.files, false)? {
            inputs.extend(inputs_of(&path, settings)?);
        }
        inputs.extend(settings.database.as_ref().map(input_of).transpose()?);
        let plan = Self::of_inputs(inputs, settings, state_dir)?;
        // Standard input and pipes can be read only once. What is only looked at is given no name.
        let look = Self { names: None, ..plan.clone() };
        for input in &plan.inputs {
            if input.can_be_looked_at()? {
                look.open(input)?;
            }
        }
        Ok(plan)
    }

    /// These files, which are not looked at yet.
    ///
    /// # Errors
    /// One sentence about settings that do not fit together.
    pub(crate) fn of_inputs(inputs: Vec<Input>, settings: &Settings, state_dir: &Path) -> Result<Self> {
        let (map, map_print) = load_map(settings.map.as_deref())?;
        let plan = Self {
            kind: settings.kind,
            inputs,
            format: settings.format.or_else(|| map.as_ref().and_then(|map| map.format)),
            map,
            map_print,
            given_name: settings.source.as_deref().map(SourceName::given),
            // Events have ids of their own, whatever file they stand in.
            names: (!settings.dry_run && settings.kind == RecordKind::Orders).then(|| KnownNames::new(state_dir)),
        };
        plan.check(settings.resume)?;
        Ok(plan)
    }

    /// How the file would be read.
    ///
    /// # Errors
    /// One sentence: it cannot be, or its format is not known.
    pub(crate) fn how(&self, input: &Input) -> Result<Reading> {
        let opened = input.open(self.map.as_ref().and_then(|map| map.encoding.as_deref()))?;
        Ok(Reading {
            format: self.format_of(input, &opened)?,
            is_compressed: opened.is_compressed,
            is_plain: !opened.is_compressed && opened.encoded.is_utf_8(),
            delimiter: self.map.as_ref().map_or(b',', |map| map.delimiter),
            lines_apart: self.map.as_ref().and_then(|map| map.lines_apart),
        })
    }

    /// One file, read by a map, of which nothing is sent.
    pub(crate) fn of_file(file: &Path, map: Map) -> Self {
        Self {
            kind: map.kind(),
            inputs: vec![Input::new(file)],
            format: map.format,
            map: Some(Arc::new(map)),
            map_print: Fingerprint::default(),
            given_name: None,
            names: None,
        }
    }

    fn check(&self, resume: bool) -> Result<(), BadSetting> {
        let stdin = self.inputs.iter().filter(|input| input.is_stdin()).count();
        if stdin > 1 {
            return Err(BadSetting::new("standard input can be read only once"));
        }
        if stdin > 0 && resume {
            return Err(BadSetting::new("standard input cannot be resumed: name a file"));
        }
        if self.given_name.is_some() && self.inputs.len() > 1 {
            return Err(BadSetting::new("--source names one file, and there are several"));
        }
        match (self.kind, self.map.as_ref().map(|map| map.kind())) {
            (RecordKind::Orders, Some(RecordKind::Events)) => {
                return Err(BadSetting::new("the map is for events, as its event_id says: say --events"));
            }
            (RecordKind::Events, Some(RecordKind::Orders)) => {
                let why = "the map is for orders: one for events has an event_id, and kind and at";
                return Err(BadSetting::new(why));
            }
            _ => {}
        }
        match (self.format, &self.map) {
            (Some(Format::Csv), None) => {
                let next = self.inputs.first().map(|input| next_step(input, self.kind)).unwrap_or_default();
                Err(BadSetting::new(format!("the format csv needs a --map{next}")))
            }
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
        if let Some(query) = input.query() {
            return self.open_query(query);
        }
        let encoding = self.map.as_ref().and_then(|map| map.encoding.as_deref());
        let opened = input.open(encoding)?;
        let guessed = opened.encoded.is_guessed.then(|| opened.encoded.encoding.name());
        let bytes_read = Arc::clone(&opened.bytes_read);
        let mark_bytes = if opened.raw_head.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
        let opening = |format| {
            let Named { name, grown_from } = self.name(input, &opened.raw_head, format)?;
            anyhow::Ok(Opening { name, grown_from, guessed, mark_bytes, bytes_read })
        };
        if opened.head.is_empty() {
            return Ok((opening(Format::Ndjson)?, None));
        }
        let format = self.format_of(input, &opened)?;
        let opening = opening(format)?;
        let Opened { reader, head, .. } = opened;
        let source: Option<Box<dyn RecordSource>> = match (format, &self.map) {
            (Format::Parquet, map) => {
                let (source, bytes_read) = parquet::open(input, map.as_ref(), self.kind)?;
                return Ok((Opening { bytes_read, ..opening }, Some(source)));
            }
            (Format::Ndjson, _) if is_rejected(&head) => Some(Box::new(RejectedRecords::new(reader))),
            (Format::Ndjson, None) if is_export_of_view(&head) => {
                let name = input.name();
                let why = format!("{name} is {EXPORT_OF_VIEW}, or say by a --map that these are orders");
                return Err(BadSetting::new(why).into());
            }
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
                let record = if self.kind == RecordKind::Events { "an event" } else { "an order" };
                let (name, next) = (input.name(), next_step(input, self.kind));
                let why = format!("{name}: a CSV file needs a --map that says which columns make {record}{next}");
                return Err(BadSetting::new(why).into());
            }
        };
        Ok((opening, source))
    }

    fn open_query(&self, query: &Query) -> Result<(Opening, Option<Box<dyn RecordSource>>)> {
        let map = self.map.as_ref().filter(|map| !map.is_of_json() && map.lines_apart.is_none());
        let why =
            "a query needs a --map for tables, without lines_apart: it can bring the rows of an order together itself";
        let map = map.ok_or_else(|| BadSetting::new(why))?;
        let name = self.given_name.clone().unwrap_or_else(|| SourceName::given(&query.name()));
        let opening = Opening { name, grown_from: None, guessed: None, mark_bytes: 0, bytes_read: Arc::default() };
        let Some((rows, header)) = query.open().with_context(|| query.title())? else { return Ok((opening, None)) };
        let source = orders_of(rows, header, Arc::clone(map)).with_context(|| query.title())?;
        Ok((opening, Some(source)))
    }

    /// How the file is read, in short: positions in it mean something only as long as this stays.
    pub(crate) fn reading(&self, input: &Input) -> String {
        let format = self.format.or_else(|| Format::of_name(input.file_name()?)).map_or("by its content", Format::name);
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
        let by_name = || input.file_name().and_then(Format::of_name);
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

/// The rows of a query.
fn input_of(database: &Database) -> Result<Input, BadSetting> {
    let Database { url, sql, key } = database;
    Query::new(url, sql, key.as_deref()).map(|query| Input::Query(Box::new(query)))
}

/// What a name means: a file, or objects.
fn inputs_of(name: &Path, settings: &Settings) -> Result<Vec<Input>> {
    if !Object::is_meant(name) {
        return Ok(vec![Input::new(name)]);
    }
    let objects = Object::find(&name.to_string_lossy(), settings.s3_endpoint.as_deref())?;
    Ok(objects.into_iter().map(Input::Object).collect())
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

/// How a file is read.
pub(crate) struct Reading {
    pub(crate) format: Format,
    pub(crate) is_compressed: bool,
    /// Whether it is UTF-8, and not compressed.
    pub(crate) is_plain: bool,
    pub(crate) delimiter: u8,
    /// See [`Map::lines_apart`].
    pub(crate) lines_apart: Option<u64>,
}

/// A file that was opened.
pub(crate) struct Opening {
    /// What tells it from others.
    pub(crate) name: SourceName,
    /// Where the file lay that it has grown from.
    pub(crate) grown_from: Option<String>,
    /// Its encoding, where that was guessed.
    pub(crate) guessed: Option<&'static str>,
    /// How many bytes of it are no text: a byte order mark.
    pub(crate) mark_bytes: u64,
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
pub(crate) fn default_rejects(input: &Input, kind: RecordKind) -> PathBuf {
    let end = match kind {
        RecordKind::Orders => "rejects.ndjson",
        // A file may bring both.
        RecordKind::Events => "events.rejects.ndjson",
    };
    if let Some(name) = input.object().and_then(|object| object.name().file_name()) {
        return Path::new(name).with_added_extension(end);
    }
    let Some(path) = input.path() else {
        return PathBuf::from(format!("{}.{end}", if input.is_stdin() { "stdin" } else { "query" }));
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // Another file that was called so before has its own.
    let is_taken = || path.with_added_extension(end).exists();
    if let Some(id) = input.followed_id().filter(|_| is_taken()) {
        name.push(format!(".{id}"));
    }
    name.push(format!(".{end}"));
    match path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        Some(dir) if tempfile::NamedTempFile::new_in(dir).is_ok() => dir.join(name),
        _ => PathBuf::from(name),
    }
}
