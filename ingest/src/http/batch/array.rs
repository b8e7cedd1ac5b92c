//! A JSON array: a record an element. Only as much of the syntax is looked at as is needed to find where elements end;
//! the order parser looks at the rest.

use super::record::{Begun, NotAnArray, Record};

/// What some programs put in front of a file. It says nothing of UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Splits a body into the elements of its array.
#[derive(Default)]
pub(crate) struct ArraySplitter {
    begun: Begun,
    state: State,
    elements: u64,
    /// How many bytes of a byte order mark were read.
    mark_bytes: usize,
}

/// Where in the array the next byte stands.
#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    BeforeArray,
    /// Behind `[`: an element or the end.
    BeforeFirst,
    /// Behind `,`: an element.
    BeforeNext,
    /// In an element, within that many brackets.
    Element { depth: u32, quote: Quote },
    /// Behind `]`.
    AfterArray,
}

/// Where in a string the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    Outside,
    Inside,
    /// Behind a backslash.
    Escaped,
}

impl ArraySplitter {
    pub(super) fn split(&mut self, chunk: &[u8], take: &mut dyn FnMut(Record<'_>)) -> Result<(), NotAnArray> {
        let mut start = 0;
        for (at, &byte) in chunk.iter().enumerate() {
            match self.state {
                State::Element { depth, quote } => {
                    let ends_here = depth == 0 && quote == Quote::Outside && matches!(byte, b',' | b']');
                    if ends_here {
                        self.end_element(&chunk[start..at], take);
                        self.state = if byte == b',' { State::BeforeNext } else { State::AfterArray };
                    } else {
                        self.state = within(byte, depth, quote).ok_or_else(|| not_closed(byte))?;
                    }
                }
                State::BeforeArray if BYTE_ORDER_MARK.get(self.mark_bytes) == Some(&byte) => self.mark_bytes += 1,
                _ if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') => {}
                State::BeforeArray if byte == b'[' => self.state = State::BeforeFirst,
                State::BeforeFirst if byte == b']' => self.state = State::AfterArray,
                State::BeforeFirst | State::BeforeNext if !matches!(byte, b',' | b']') => {
                    start = at;
                    self.state = within(byte, 0, Quote::Outside).ok_or_else(|| not_closed(byte))?;
                }
                State::BeforeArray => return Err(NotAnArray(format!("it begins with `{}`", char::from(byte)))),
                State::BeforeFirst | State::BeforeNext => {
                    return Err(NotAnArray(format!("an element is missing behind element {}", self.elements)));
                }
                State::AfterArray => return Err(NotAnArray(String::from("something stands behind its end"))),
            }
        }
        if matches!(self.state, State::Element { .. }) {
            self.begun.push(&chunk[start..]);
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<(), NotAnArray> {
        match self.state {
            State::AfterArray => Ok(()),
            State::BeforeArray => Err(NotAnArray(String::from("it is empty"))),
            _ => Err(NotAnArray(format!("it ends behind element {}, without a closing bracket", self.elements))),
        }
    }

    fn end_element(&mut self, end: &[u8], take: &mut dyn FnMut(Record<'_>)) {
        self.elements += 1;
        let line = self.elements;
        self.begun.finish(end, |text| take(Record { line, text }));
    }
}

/// The state behind a byte of an element; `None` where a bracket closes that was never opened.
fn within(byte: u8, depth: u32, quote: Quote) -> Option<State> {
    let (depth, quote) = match (quote, byte) {
        (Quote::Escaped, _) | (Quote::Outside, b'"') => (depth, Quote::Inside),
        (Quote::Inside, b'\\') => (depth, Quote::Escaped),
        (Quote::Inside, b'"') => (depth, Quote::Outside),
        (Quote::Outside, b'[' | b'{') => (depth.saturating_add(1), quote),
        (Quote::Outside, b']' | b'}') => (depth.checked_sub(1)?, quote),
        _ => (depth, quote),
    };
    Some(State::Element { depth, quote })
}

fn not_closed(byte: u8) -> NotAnArray {
    NotAnArray(format!("a `{}` closes nothing", char::from(byte)))
}
