//! What stands in a row: the one thing that fields are read from, whatever kind of file it comes from.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

/// Which of a map's names is meant: its place among [`Map::names`](super::Map::names).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameNo(pub(crate) usize);

/// A row of a table, an order in JSON, or one of its items.
pub(crate) trait Row {
    /// What stands under a name of the map.
    fn value(&self, name: NameNo) -> Value<'_>;
}

/// What stands somewhere.
#[derive(Clone, Debug)]
pub(crate) enum Value<'r> {
    /// Nothing.
    Absent,
    /// A text.
    Text(Cow<'r, str>),
    /// A text whose bytes are not valid; it has replacement characters for them.
    NotUtf8(String),
    /// JSON other than a text: a number, a boolean, an object, an array.
    Json(&'r RawValue),
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The column or path.
    pub(crate) title: String,
    /// What stands there.
    pub(crate) text: String,
    /// The end of a sentence that begins with it.
    pub(crate) reason: String,
}

/// What is wrong with JSON that stands on one line: which line that is, the reader of the file says. What has the wrong type was read by
/// itself, and has no place.
pub(crate) fn in_column(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match said.strip_suffix(&place) {
        Some(what) if error.is_data() => what.to_owned(),
        Some(what) if error.line() == 1 => format!("{what} at column {}", error.column()),
        _ => said,
    }
}

impl Value<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Text(text) => text.is_empty(),
            Self::NotUtf8(_) | Self::Json(_) => false,
        }
    }
}

impl<'r> Value<'r> {
    /// Of JSON: `null` is nothing.
    pub(crate) fn of_json(raw: Option<&'r RawValue>) -> Self {
        let Some(raw) = raw else { return Self::Absent };
        match raw.get().as_bytes().first() {
            Some(b'n') => Self::Absent,
            Some(b'"') => match serde_json::from_str::<CowText<'r>>(raw.get()) {
                Ok(CowText(text)) => Self::Text(text),
                // Lone surrogates have no text.
                Err(_) => Self::NotUtf8(raw.get().trim_matches('"').to_owned()),
            },
            _ => Self::Json(raw),
        }
    }

    /// As a field of a table has it.
    pub(crate) fn of_bytes(bytes: &'r [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(Cow::Borrowed(text)),
            Err(_) => Self::NotUtf8(String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

#[derive(serde::Deserialize)]
struct CowText<'a>(#[serde(borrow)] Cow<'a, str>);

impl Fault {
    pub(crate) fn new(title: &str, text: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self { title: title.to_owned(), text: text.into(), reason: reason.to_string() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.title, self.text, self.reason)
    }
}
