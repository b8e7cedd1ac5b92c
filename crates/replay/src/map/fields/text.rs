//! Fields that are taken as they are: ids, names, and whatever else an order or an item has.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::map::value::{Fault, NameNo, Row, Value, in_column};

/// A field that is a text, or JSON.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text {
    /// Where it stands: the first of these that is not empty.
    pub(crate) names: Vec<NameNo>,
    /// What messages call it.
    pub(crate) title: String,
    /// What is cut off its beginning, where it stands there.
    pub(crate) strip_prefix: String,
    /// What is cut off its end, where it stands there.
    pub(crate) strip_suffix: String,
    /// What stands for an empty value.
    pub(crate) default: String,
    /// What texts of the file stand for; those that are not among them stand for themselves.
    pub(crate) values: BTreeMap<String, String>,
    /// Whether a text holds JSON.
    pub(crate) is_json: bool,
}

/// What a field comes to.
#[derive(Clone, Debug)]
pub(crate) enum Content<'r> {
    Text(Cow<'r, str>),
    /// JSON, in the row's own text or as a part of it.
    Json(Cow<'r, str>),
}

/// The first of these names under which something stands.
pub(crate) fn first<'r>(names: &[NameNo], row: &'r impl Row) -> Value<'r> {
    let mut last = Value::Absent;
    for name in names {
        last = row.value(*name);
        if !last.is_empty() {
            break;
        }
    }
    last
}

/// What stands there, whatever it is, to be compared or told.
pub(crate) fn shown<'r>(names: &[NameNo], row: &'r impl Row) -> Cow<'r, str> {
    match first(names, row) {
        Value::Absent => Cow::Borrowed(""),
        Value::Text(text) => text,
        Value::NotUtf8(text) => Cow::Owned(text),
        Value::Json(raw) => Cow::Borrowed(raw.get()),
    }
}

impl Text {
    /// The field as a text. Numbers that are integers count as theirs.
    ///
    /// # Errors
    /// [`Fault`] where it is not valid.
    pub(crate) fn text<'r>(&'r self, row: &'r impl Row) -> Result<Cow<'r, str>, Fault> {
        let text = match first(&self.names, row) {
            Value::Absent => Cow::Borrowed(""),
            Value::Text(text) => text,
            Value::NotUtf8(text) => return Err(Fault::new(&self.title, text, "is not UTF-8")),
            Value::Json(raw) if is_integer(raw) => Cow::Borrowed(raw.get()),
            Value::Json(raw) => return Err(Fault::new(&self.title, raw.get(), "is no text and no integer")),
        };
        let text = self.stripped(text);
        let text = if text.is_empty() { Cow::Borrowed(self.default.as_str()) } else { text };
        Ok(self.values.get(&*text).map_or(text, |value| Cow::Borrowed(value.as_str())))
    }

    /// Whether nothing stands there, whatever the default.
    pub(crate) fn is_blank(&self, row: &impl Row) -> bool {
        !self.names.is_empty() && first(&self.names, row).is_empty()
    }

    /// The field, whatever it is.
    ///
    /// # Errors
    /// [`Fault`] where it is neither a text nor JSON, or should be JSON and is not.
    pub(crate) fn content<'r>(&'r self, row: &'r impl Row) -> Result<Content<'r>, Fault> {
        if let Value::Json(raw) = first(&self.names, row) {
            return Ok(Content::Json(one_line(Cow::Borrowed(raw.get()))));
        }
        let text = self.text(row)?;
        if !self.is_json || text.is_empty() {
            return Ok(Content::Text(text));
        }
        match serde_json::from_str::<&RawValue>(&text) {
            Ok(_) => Ok(Content::Json(one_line(text))),
            Err(error) => Err(Fault::new(&self.title, text, format_args!("is not JSON: {}", in_column(&error)))),
        }
    }

    fn stripped<'r>(&self, text: Cow<'r, str>) -> Cow<'r, str> {
        if self.strip_prefix.is_empty() && self.strip_suffix.is_empty() {
            return text;
        }
        let from = if text.starts_with(&self.strip_prefix) { self.strip_prefix.len() } else { 0 };
        let kept = text[from..].strip_suffix(self.strip_suffix.as_str()).unwrap_or(&text[from..]).len();
        match text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[from..from + kept]),
            Cow::Owned(text) => Cow::Owned(text[from..from + kept].to_owned()),
        }
    }
}

/// An order takes one line, and between the parts of JSON a line feed is white space like any other.
fn one_line(json: Cow<'_, str>) -> Cow<'_, str> {
    if json.contains(['\n', '\r']) { Cow::Owned(json.replace(['\n', '\r'], " ")) } else { json }
}

fn is_integer(raw: &RawValue) -> bool {
    let digits = raw.get().strip_prefix('-').unwrap_or(raw.get());
    digits.bytes().all(|byte| byte.is_ascii_digit())
}
