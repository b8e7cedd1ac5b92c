//! Reads the values that orders are made of, one after the other, and notes what is wrong with each. A value of the
//! wrong type is passed over, so that one reading names every fault; only broken JSON ends it.

use std::fmt;
use std::ops::RangeInclusive;

use jiter::{Jiter, JiterError, Peek};

use crate::id::check_id;
use crate::order::fault::{FAULTS_MAX, Fault, Rejection};
use crate::order::passthrough;

/// Where a value of an order stands. Its `Display` is a JSON pointer.
#[derive(Clone, Copy)]
pub(crate) enum Pointer<'a> {
    Order(&'a str),
    Item(usize),
    OfItem(usize, &'a str),
    /// A field that an event sets.
    OfSet(&'a str),
}

impl fmt::Display for Pointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(field) => write!(f, "/{}", passthrough::pointer_segment(field)),
            Self::Item(i) => write!(f, "/items/{i}"),
            Self::OfItem(i, field) => {
                write!(f, "/items/{i}/{}", passthrough::pointer_segment(field))
            }
            Self::OfSet(field) => write!(f, "/set/{}", passthrough::pointer_segment(field)),
        }
    }
}

pub(crate) struct Reader<'j> {
    json: &'j str,
    pub(crate) jiter: Jiter<'j>,
    faults: Vec<Fault>,
}

/// The JSON is broken; what stands behind cannot be read.
pub(crate) struct Broken(JiterError);

impl From<JiterError> for Broken {
    fn from(error: JiterError) -> Self {
        Self(error)
    }
}

impl<'j> Reader<'j> {
    pub(crate) fn new(json: &'j str) -> Self {
        Self { json, jiter: Jiter::new(json.as_bytes()), faults: Vec::new() }
    }

    pub(crate) fn fault(&mut self, place: Pointer<'_>, reason: impl Into<String>) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { pointer: place.to_string(), reason: reason.into() });
        }
    }

    pub(crate) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    pub(crate) fn rejection(&self, broken: &Broken) -> Rejection {
        let at = self.jiter.error_position(broken.0.index);
        // A record of a file is one line, and which one it is stands beside this.
        let is_one_line = !self.json.trim_end().contains('\n');
        let line = if is_one_line { String::new() } else { format!("line {} ", at.line) };
        let (column, what) = (at.column, broken.0.error_type.to_string());
        Rejection::Malformed(format!("the JSON is broken at {line}column {column}: {what}"))
    }

    /// Looks at a value that was passed over, and notes what is wrong with it.
    pub(crate) fn within(
        &mut self,
        text: &'j str,
        look: impl FnOnce(&mut Self, Peek) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let jiter = std::mem::replace(&mut self.jiter, Jiter::new(text.as_bytes()));
        let json = std::mem::replace(&mut self.json, text);
        let looked = self.jiter.peek().map_err(Broken::from).and_then(|peek| look(self, peek));
        (self.jiter, self.json) = (jiter, json);
        looked
    }

    /// The text from `start` up to here.
    pub(crate) fn since(&self, start: usize) -> &'j str {
        &self.json[start..self.jiter.current_index()]
    }

    /// The key that was just read, as it stands in the JSON between its quotes; `start` lies before it.
    pub(crate) fn raw_key_since(&self, start: usize) -> &'j str {
        let around = self.since(start);
        match (around.find('"'), around.rfind('"')) {
            (Some(open), Some(close)) if open < close => &around[open + 1..close],
            _ => "",
        }
    }

    /// Passes over a value that has the wrong type.
    pub(crate) fn wrong_type(&mut self, peek: Peek, place: Pointer<'_>, reason: &str) -> Result<(), Broken> {
        self.fault(place, reason);
        self.jiter.known_skip(peek).map_err(Broken)
    }

    /// Passes over a value that Forebay keeps as it came, checking that Postgres will.
    pub(crate) fn keep(&mut self, peek: Peek, place: Pointer<'_>) -> Result<&'j str, Broken> {
        let start = self.jiter.current_index();
        // Most of these are short texts and numbers, for which no pointer needs to be made.
        let mut nested = passthrough::Check::default();
        nested.value(&mut self.jiter, peek)?;
        if let Some((path, reason)) = nested.into_fault()
            && self.faults.len() < FAULTS_MAX
        {
            self.faults.push(Fault { pointer: format!("{place}{path}"), reason });
        }
        Ok(self.since(start))
    }

    pub(crate) fn text(&mut self, peek: Peek, place: Pointer<'_>) -> Result<Option<String>, Broken> {
        if peek == Peek::String {
            return Ok(Some(self.jiter.known_str()?.to_owned()));
        }
        self.wrong_type(peek, place, "must be a string")?;
        Ok(None)
    }

    /// An id: a text that keeps the rule for ids, or an integer, which stands for its decimal text.
    pub(crate) fn id(&mut self, peek: Peek, place: Pointer<'_>) -> Result<Option<String>, Broken> {
        let text = if peek == Peek::String {
            self.jiter.known_str()?.to_owned()
        } else if let Some(number) = self.integer_text(peek)? {
            if number == "-0" { String::from("0") } else { number.to_owned() }
        } else {
            self.fault(place, "must be a string or an integer");
            return Ok(None);
        };
        match check_id(&text) {
            Ok(()) => Ok(Some(text)),
            Err(error) => {
                self.fault(place, error.to_string());
                Ok(None)
            }
        }
    }

    pub(crate) fn integer(
        &mut self,
        peek: Peek,
        place: Pointer<'_>,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, Broken> {
        let found = self.whole(peek, place)?;
        let number = found.and_then(|found| i64::try_from(found).ok()).filter(|number| range.contains(number));
        if found.is_some() && number.is_none() {
            self.fault(place, out_of(&range));
        }
        Ok(number)
    }

    /// An integer of any size; beyond 128 bits the last one that those have.
    pub(crate) fn whole(&mut self, peek: Peek, place: Pointer<'_>) -> Result<Option<i128>, Broken> {
        let Some(text) = self.integer_text(peek)? else {
            self.fault(place, "must be an integer");
            return Ok(None);
        };
        let last = if text.starts_with('-') { i128::MIN } else { i128::MAX };
        Ok(Some(text.parse().unwrap_or(last)))
    }

    /// The digits of an integer. Anything else is passed over, and gives `None`.
    fn integer_text(&mut self, peek: Peek) -> Result<Option<&'j str>, Broken> {
        if !peek.is_num() {
            self.jiter.known_skip(peek)?;
            return Ok(None);
        }
        let start = self.jiter.current_index();
        self.jiter.known_number_bytes(peek)?;
        let text = self.since(start);
        Ok((!text.contains(['.', 'e', 'E'])).then_some(text))
    }
}

/// Why an integer is refused that lies outside.
pub(crate) fn out_of(range: &RangeInclusive<i64>) -> String {
    format!("must be an integer from {} to {}", range.start(), range.end())
}
