//! What a row must be like for a rule of the map to apply to it.

use serde::Deserialize;

use super::fields::number::{Number, Scale, Separators};
use super::fields::text::{Text, shown};
use super::value::Row;

/// One condition; all that it says must hold.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    subject: Text,
    tests: Vec<Test>,
    separators: Separators,
    /// Whether it can be decided only item by item.
    pub(crate) is_of_item: bool,
}

#[derive(Clone, Debug)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Prefix(String),
    Suffix(String),
    Contains(String),
    Empty(bool),
    Negative(bool),
    Zero(bool),
}

/// A condition as its map says it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCondition {
    pub(super) column: Option<String>,
    equals: Option<String>,
    #[serde(rename = "in")]
    any_of: Option<Vec<String>>,
    not_in: Option<Vec<String>>,
    prefix: Option<String>,
    suffix: Option<String>,
    contains: Option<String>,
    empty: Option<bool>,
    negative: Option<bool>,
    zero: Option<bool>,
    /// Of a row: that it is the header once more.
    pub(super) header: Option<bool>,
    /// Of an order: that it is a write-off.
    pub(super) write_off: Option<bool>,
}

impl RawCondition {
    fn tests(self) -> Vec<Test> {
        let tests = [
            self.equals.map(|text| Test::In(vec![text])),
            self.any_of.map(Test::In),
            self.not_in.map(Test::NotIn),
            self.prefix.map(Test::Prefix),
            self.suffix.map(Test::Suffix),
            self.contains.map(Test::Contains),
            self.empty.map(Test::Empty),
            self.negative.map(Test::Negative),
            self.zero.map(Test::Zero),
        ];
        tests.into_iter().flatten().collect()
    }

    /// The condition on a column.
    ///
    /// # Errors
    /// One sentence, where it says nothing.
    pub(super) fn on(self, subject: Text, separators: Separators, is_of_item: bool) -> Result<Condition, String> {
        let tests = self.tests();
        if tests.is_empty() {
            let what = "expected one of equals, in, not_in, prefix, suffix, contains, empty, negative, zero";
            return Err(format!("the condition on `{}` says nothing: {what}", subject.title));
        }
        Ok(Condition { subject, tests, separators, is_of_item })
    }

    /// Whether it says something of a column beside what it is.
    pub(super) fn has_column_or_test(&self) -> bool {
        self.column.is_some() || !self.clone().tests().is_empty()
    }
}

impl Condition {
    /// Whether it holds of a row.
    pub(crate) fn holds(&self, row: &impl Row) -> bool {
        let text = shown(&self.subject.names, row);
        self.tests.iter().all(|test| match test {
            Test::In(texts) => texts.iter().any(|other| *other == text),
            Test::NotIn(texts) => texts.iter().all(|other| *other != text),
            Test::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Test::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Test::Contains(part) => text.contains(part.as_str()),
            Test::Empty(wanted) => text.trim().is_empty() == *wanted,
            Test::Negative(wanted) => self.sign(row).is_some_and(|units| (units < 0) == *wanted),
            Test::Zero(wanted) => self.sign(row).is_some_and(|units| (units == 0) == *wanted),
        })
    }

    /// The subject as a number, of whatever unit; nothing where it is not one.
    fn sign(&self, row: &impl Row) -> Option<i64> {
        let number = Number {
            names: self.subject.names.clone(),
            title: String::new(),
            default: String::new(),
            scale: Scale::Digits(9),
            separators: self.separators,
            is_of_line: false,
        };
        number.read(row, None).ok().map(|amount| amount.units)
    }
}
