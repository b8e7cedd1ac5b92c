//! The known fields of an object, as they are read.

use std::str::FromStr;

use jiter::Peek;

use super::reader::{Broken, Pointer, Reader};
use crate::Timestamp;
use crate::id::IdError;

/// A known field of an object: whether it stood there, and its value where that was right.
pub(crate) struct Slot<T> {
    seen: bool,
    pub(crate) value: Option<T>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { seen: false, value: None }
    }
}

impl<T> Slot<T> {
    pub(crate) fn is_missing(&self) -> bool {
        !self.seen
    }

    /// Takes the field's value. A known field that stands there twice would mean different things to different readers.
    pub(crate) fn fill(&mut self, reader: &mut Reader<'_>, place: Pointer<'_>, value: Option<T>) {
        if self.seen {
            reader.fault(place, "must not stand there twice");
        }
        self.seen = true;
        self.value = value;
    }

    /// Reads an id, which is what `new` takes for one.
    pub(crate) fn read_id(
        &mut self,
        reader: &mut Reader<'_>,
        peek: Peek,
        place: Pointer<'_>,
        new: impl FnOnce(String) -> Result<T, IdError>,
    ) -> Result<(), Broken> {
        let id = reader.id(peek, place)?.and_then(|id| new(id).ok());
        self.fill(reader, place, id);
        Ok(())
    }

    /// Reads a text that stands for something.
    pub(crate) fn read_word(&mut self, reader: &mut Reader<'_>, peek: Peek, place: Pointer<'_>) -> Result<(), Broken>
    where
        T: FromStr<Err: ToString>,
    {
        let word = reader.text(peek, place)?.map(|text| text.parse());
        let value = word.and_then(|word| word.map_err(|error: T::Err| reader.fault(place, error.to_string())).ok());
        self.fill(reader, place, value);
        Ok(())
    }
}

impl Slot<Timestamp> {
    /// Reads when an order was, or something happened to it: not after `latest`.
    pub(crate) fn read_time(
        &mut self,
        reader: &mut Reader<'_>,
        peek: Peek,
        place: Pointer<'_>,
        latest: Timestamp,
    ) -> Result<(), Broken> {
        let at = reader.text(peek, place)?.and_then(|text| match Timestamp::parse(&text) {
            Ok(at) if (Timestamp::EARLIEST..=latest).contains(&at) => Some(at),
            wrong => {
                reader.fault(place, why_not(wrong, latest));
                None
            }
        });
        self.fill(reader, place, at);
        Ok(())
    }
}

fn why_not(time: Result<Timestamp, impl ToString>, latest: Timestamp) -> String {
    match time {
        Ok(at) if at > latest => format!("must not be after {latest}: too far ahead of now"),
        Ok(_) => "must not be before 2000-01-01T00:00:00Z".to_owned(),
        Err(error) => error.to_string(),
    }
}
