//! Goes through a JSON document, byte by byte, to where a path leads, and keeps nothing of what it passes over.

use crate::map::path::{Path, Step};

/// No key of a path is longer.
const KEY_BYTES_MAX: usize = 1024;

/// On the way through a document.
pub(super) struct Seeker {
    /// Where to, without the `[*]` that ends it: what stands there is an array of records, or a record.
    steps: Vec<Step>,
    /// Whether what stands there is an array of records, and not a record.
    pub(super) seeks_array: bool,
    /// What is open, the innermost last.
    open: Vec<Container>,
    at: At,
    in_text: bool,
    escaped: bool,
    /// The key that is being read, as it is written, quotes and all.
    key: Vec<u8>,
    /// How often it came to its end.
    pub(super) found: u64,
}

/// An object or an array that is open.
struct Container {
    is_object: bool,
    /// How many steps lead to it, where it lies on the way.
    matched: Option<usize>,
    /// Which element is next, in an array.
    index: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// A value follows; with how many steps lead to it, if any do.
    Value(Option<usize>),
    /// In the key of an object, or before it.
    Key,
    /// Behind a key.
    Colon,
    /// In a number, a word or a text.
    Scalar,
    /// Behind a value.
    Behind,
}

impl Seeker {
    pub(super) fn new(path: &Path) -> Self {
        let (steps, seeks_array) = path.split_each();
        let steps = steps.to_vec();
        Self {
            steps,
            seeks_array,
            open: Vec::new(),
            at: At::Value(Some(0)),
            in_text: false,
            escaped: false,
            key: Vec::new(),
            found: 0,
        }
    }

    /// Whether the byte is the first one of what is looked for. Otherwise it was passed over.
    pub(super) fn step(&mut self, byte: u8) -> bool {
        if self.in_text {
            self.step_in_text(byte);
            return false;
        }
        match self.at {
            At::Scalar if matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace() => self.end_value(byte),
            _ if byte.is_ascii_whitespace() => {}
            At::Value(Some(matched)) if matched == self.steps.len() && !matches!(byte, b']' | b'}' | b',') => {
                self.found += 1;
                self.at = At::Behind;
                return true;
            }
            At::Value(matched) => self.begin_value(byte, matched),
            At::Key => match byte {
                b'"' => {
                    self.key.clear();
                    self.key.push(byte);
                    self.in_text = true;
                }
                _ => self.end_value(byte),
            },
            At::Colon if byte == b':' => self.at = At::Value(self.matched_by_key()),
            At::Colon | At::Scalar => {}
            // At the outermost level another document may follow.
            At::Behind if self.open.is_empty() => {
                self.at = At::Value(Some(0));
                return self.step(byte);
            }
            At::Behind => self.end_value(byte),
        }
        false
    }

    /// Whether everything that was opened is closed.
    pub(super) fn is_at_end(&self) -> bool {
        self.open.is_empty() && !self.in_text
    }

    fn step_in_text(&mut self, byte: u8) {
        if self.at == At::Key && self.key.len() < KEY_BYTES_MAX {
            self.key.push(byte);
        }
        self.in_text = self.escaped || byte != b'"';
        self.escaped = byte == b'\\' && !self.escaped;
        if !self.in_text {
            self.at = if self.at == At::Key { At::Colon } else { At::Behind };
        }
    }

    fn begin_value(&mut self, byte: u8, matched: Option<usize>) {
        match byte {
            b'{' | b'[' => {
                let is_object = byte == b'{';
                self.open.push(Container { is_object, matched, index: 0 });
                self.at = if is_object { At::Key } else { At::Value(self.matched_by_index()) };
            }
            b'"' => (self.at, self.in_text) = (At::Scalar, true),
            b',' | b']' | b'}' => self.end_value(byte),
            _ => self.at = At::Scalar,
        }
    }

    /// Behind a value: the next one, or the end of what it stands in.
    fn end_value(&mut self, byte: u8) {
        match byte {
            b']' | b'}' => {
                self.open.pop();
                self.at = At::Behind;
            }
            b',' => match self.open.last_mut() {
                Some(open) if open.is_object => self.at = At::Key,
                Some(open) => {
                    open.index += 1;
                    self.at = At::Value(self.matched_by_index());
                }
                None => self.at = At::Behind,
            },
            _ => self.at = At::Behind,
        }
    }

    /// How many steps lead to the value behind the key.
    fn matched_by_key(&self) -> Option<usize> {
        let matched = self.open.last()?.matched?;
        let key: String = serde_json::from_slice(&self.key).ok()?;
        matches!(self.steps.get(matched)?, Step::Key(wanted) if *wanted == key).then_some(matched + 1)
    }

    /// How many steps lead to the next element.
    fn matched_by_index(&self) -> Option<usize> {
        let array = self.open.last()?;
        let matched = array.matched?;
        let fits = match self.steps.get(matched)? {
            Step::Each => true,
            Step::Index(wanted) => *wanted == array.index,
            Step::Key(_) => false,
        };
        fits.then_some(matched + 1)
    }
}
