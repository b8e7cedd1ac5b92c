//! Values that Forebay does not know and keeps as they came. JSON allows some that a `jsonb` column refuses: the
//! character U+0000, lone surrogates, numbers beyond `numeric`, nesting without end.
//! See <https://www.postgresql.org/docs/current/datatype-json.html>.

use std::fmt::Write;
use std::ops::RangeInclusive;

use jiter::{Jiter, JiterResult, Peek};

use crate::order::size::plain_bytes;

/// How deep a value may nest.
const DEPTH_MAX: usize = 32;

/// The most characters of one number, as it comes and as it is written out.
const NUMBER_CHARS_MAX: usize = 400;

/// The powers of ten that a number may be written with. How large it may be is what a 64-bit float says; but zero stays
/// zero whatever stands behind the `e`, and `numeric` refuses powers from 2³⁰ on.
const EXPONENTS: RangeInclusive<i32> = -400..=1000;

/// Reads a value to its end and keeps the first thing that is wrong with it.
#[derive(Default)]
pub(crate) struct Check {
    path: Vec<Step>,
    fault: Option<(String, String)>,
}

enum Step {
    Key(String),
    Index(usize),
}

impl Check {
    /// The path to the first fault below the value (a JSON pointer) and its reason.
    pub(crate) fn into_fault(self) -> Option<(String, String)> {
        self.fault
    }

    pub(crate) fn value(&mut self, jiter: &mut Jiter<'_>, peek: Peek) -> JiterResult<()> {
        match peek {
            Peek::String => {
                if jiter.known_str()?.contains('\0') {
                    self.fault("must not contain the character U+0000");
                }
            }
            Peek::Array if self.path.len() < DEPTH_MAX => self.array(jiter)?,
            Peek::Object if self.path.len() < DEPTH_MAX => self.object(jiter)?,
            Peek::Array | Peek::Object => {
                self.fault("must not nest deeper than 32 levels");
                jiter.known_skip(peek)?;
            }
            _ if peek.is_num() => {
                let number = jiter.known_number_bytes(peek)?;
                if number.len() > NUMBER_CHARS_MAX {
                    self.fault("must be a number of at most 400 characters");
                } else if !is_storable_number(number) {
                    self.fault("must be a number within the range of a 64-bit float");
                }
            }
            _ => jiter.known_skip(peek)?,
        }
        Ok(())
    }

    fn array(&mut self, jiter: &mut Jiter<'_>) -> JiterResult<()> {
        let mut next = jiter.known_array()?;
        let mut index = 0;
        while let Some(peek) = next {
            self.path.push(Step::Index(index));
            self.value(jiter, peek)?;
            self.path.pop();
            next = jiter.array_step()?;
            index += 1;
        }
        Ok(())
    }

    fn object(&mut self, jiter: &mut Jiter<'_>) -> JiterResult<()> {
        let mut next = jiter.known_object()?.map(str::to_owned);
        while let Some(key) = next {
            if key.contains('\0') {
                self.fault("must not have a key with the character U+0000");
            }
            self.path.push(Step::Key(key));
            let peek = jiter.peek()?;
            self.value(jiter, peek)?;
            self.path.pop();
            next = jiter.next_key()?.map(str::to_owned);
        }
        Ok(())
    }

    fn fault(&mut self, reason: &str) {
        let path = &self.path;
        self.fault.get_or_insert_with(|| (pointer(path), reason.to_owned()));
    }
}

fn pointer(path: &[Step]) -> String {
    path.iter().fold(String::new(), |mut pointer, step| {
        // Writing into a String cannot fail.
        let _ = match step {
            Step::Key(key) => write!(pointer, "/{}", pointer_segment(key)),
            Step::Index(index) => write!(pointer, "/{index}"),
        };
        pointer
    })
}

/// A key as it stands in a JSON pointer (RFC 6901, section 3).
pub(crate) fn pointer_segment(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn is_storable_number(text: &[u8]) -> bool {
    let is_plain = text.iter().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.'));
    if is_plain && text.len() <= 300 {
        return true;
    }
    let Some(text) = std::str::from_utf8(text).ok().filter(|text| text.len() <= NUMBER_CHARS_MAX) else {
        return false;
    };
    let exponent = text.split_once(['e', 'E']).map_or(Ok(0), |(_, exponent)| exponent.parse::<i32>());
    // Written out it must still be one, so that it can be read back and sent again.
    let is_short = plain_bytes(text.as_bytes()).is_some_and(|bytes| bytes <= NUMBER_CHARS_MAX);
    exponent.is_ok_and(|exponent| EXPONENTS.contains(&exponent))
        && is_short
        && text.parse::<f64>().is_ok_and(f64::is_finite)
}
