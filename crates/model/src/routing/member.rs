//! What the map says of a shard itself: where it is, and what people call it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most characters of a label's name, and of its value.
const LABEL_CHARS_MAX: usize = 63;

/// A shard, as the map has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// A URL for each of its servers, the primary's first. There is no password in them: each process that connects has one of its own.
    pub addresses: Vec<String>,
    /// What tells it from others, such as `region=eu`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
}

/// Labels by name.
pub type Labels = BTreeMap<LabelText, LabelText>;

/// A label's name, or its value: 1 to 63 letters, digits, `.`, `_`, `-` and `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabelText(String);

/// A label: `region=eu`. Without a value (`region=`), that there is none of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// What it is called.
    pub name: LabelText,
    /// What it says.
    pub value: Option<LabelText>,
}

/// A text that is no label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no label, such as region=eu: letters, digits and . _ - /, up to 63 on each side")]
pub struct NoLabel(String);

impl Member {
    /// Sets a label, or takes it off.
    pub fn set_label(&mut self, label: Label) {
        match label.value {
            Some(value) => self.labels.insert(label.name, value),
            None => self.labels.remove(&label.name),
        };
    }
}

impl TryFrom<String> for LabelText {
    type Error = NoLabel;

    fn try_from(text: String) -> Result<Self, NoLabel> {
        let is_fit = |sign: char| sign.is_ascii_alphanumeric() || "._-/".contains(sign);
        let is_label = (1..=LABEL_CHARS_MAX).contains(&text.len()) && text.chars().all(is_fit);
        if is_label { Ok(Self(text)) } else { Err(NoLabel(text)) }
    }
}

impl From<LabelText> for String {
    fn from(LabelText(text): LabelText) -> Self {
        text
    }
}

impl fmt::Display for LabelText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Label {
    type Err = NoLabel;

    fn from_str(text: &str) -> Result<Self, NoLabel> {
        let whole = |_| NoLabel(text.to_owned());
        let (name, value) = text.split_once('=').ok_or_else(|| NoLabel(text.to_owned()))?;
        let value = if value.is_empty() { None } else { Some(value.to_owned().try_into().map_err(whole)?) };
        Ok(Self { name: name.to_owned().try_into().map_err(whole)?, value })
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value.as_ref().map_or("", |value| &value.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_as_they_are_written() {
        for text in ["region=eu", "rack=a/7", "region="] {
            assert_eq!(text.parse::<Label>().unwrap().to_string(), text);
        }
        let long = format!("a={}", "x".repeat(64));
        for text in ["", "region", "=eu", "region=e u", "a=b=c", &long] {
            assert!(text.parse::<Label>().unwrap_err().to_string().starts_with(&format!("`{text}` is no label")));
        }
    }
}
