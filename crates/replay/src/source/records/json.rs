//! A JSON array of records, or records one behind the other, read as a stream.
//!
//! It only finds where records begin and end; whether a record is right JSON is for ingest to say, which tells it with
//! the line, or for the map that makes an order of it. A map also says where in the document records stand.

use std::io::{self, BufRead};
use std::sync::Arc;

use super::mapped::MappedOrders;
use super::seek::Seeker;
use crate::chunk::{ChunkBuilder, LineSpan};
use crate::map::Map;
use crate::source::{RECORD_BYTES_MAX, RecordSource, too_long};

/// The records of a file.
pub(crate) struct Json<R> {
    reader: R,
    splitter: Splitter,
}

/// Finds the records in bytes that come piece by piece.
struct Splitter {
    at: At,
    /// Finds the records, where a map says where they stand.
    seek: Option<Seeker>,
    /// Makes orders of them.
    mapped: Option<MappedOrders>,
    /// The line that is being read, from 1 on.
    line: u64,
    /// The character of the line that was read last, from 1 on.
    column: u64,
    /// Whether the records stand in an array.
    in_array: bool,
    record: Vec<u8>,
    record_line: u64,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// On the way to where the records stand.
    Seeking,
    /// Before anything.
    Start,
    /// Where a record must follow, or the end of an array without records.
    BeforeFirst,
    /// Behind a comma.
    BeforeNext,
    /// In an object, an array or a text.
    InNested,
    /// In a number or a word.
    InScalar,
    /// Behind a record.
    Behind,
    /// Behind the array.
    End,
}

impl<R: BufRead> Json<R> {
    pub(crate) fn new(reader: R) -> Self {
        let splitter = Splitter {
            at: At::Start,
            seek: None,
            mapped: None,
            line: 1,
            column: 0,
            in_array: false,
            record: Vec::new(),
            record_line: 0,
            depth: 0,
            in_string: false,
            escaped: false,
        };
        Self { reader, splitter }
    }

    /// With orders made by a map.
    pub(crate) fn mapped(reader: R, map: Arc<Map>) -> Self {
        let mut json = Self::new(reader);
        if let Some(orders) = &map.records {
            json.splitter.at = At::Seeking;
            json.splitter.seek = Some(Seeker::new(orders));
        }
        json.splitter.mapped = Some(MappedOrders::new(map));
        json
    }
}

impl<R: BufRead + Send> RecordSource for Json<R> {
    fn fill(&mut self, builder: &mut ChunkBuilder) -> io::Result<bool> {
        let buffer = self.reader.fill_buf()?;
        if buffer.is_empty() {
            self.splitter.end(builder)?;
            return Ok(false);
        }
        let mut read = 0;
        for &byte in buffer {
            read += 1;
            let is_within_character = byte & 0xC0 == 0x80;
            self.splitter.column += u64::from(!is_within_character);
            self.splitter.step(byte, builder)?;
            if byte == b'\n' {
                self.splitter.column = 0;
            }
            if builder.is_full() {
                break;
            }
        }
        self.reader.consume(read);
        Ok(true)
    }
}

impl Splitter {
    fn step(&mut self, byte: u8, builder: &mut ChunkBuilder) -> io::Result<()> {
        match self.at {
            At::InNested => self.step_in_nested(byte, builder),
            At::InScalar => match byte {
                b',' | b']' | b' ' | b'\t' | b'\r' | b'\n' => {
                    self.finish(builder);
                    return self.step(byte, builder);
                }
                b'}' if self.seek.is_some() => {
                    self.finish(builder);
                    return self.step(byte, builder);
                }
                _ => self.keep(byte),
            },
            At::Seeking => return self.seek(byte),
            _ if byte.is_ascii_whitespace() => {}
            At::Start if byte == b'[' => (self.in_array, self.at) = (true, At::BeforeFirst),
            At::Behind if byte == b',' && self.in_array => self.at = At::BeforeNext,
            At::BeforeFirst | At::Behind if byte == b']' && self.in_array => self.at = self.behind_array(),
            At::Start | At::BeforeFirst | At::BeforeNext => self.begin(byte)?,
            At::Behind if !self.in_array => self.begin(byte)?,
            At::Behind => return Err(self.fault("there is no comma between two records")),
            At::End => return Err(self.fault("something stands behind the end of the array")),
        }
        self.line += u64::from(byte == b'\n');
        Ok(())
    }

    /// Goes on to where the records stand.
    fn seek(&mut self, byte: u8) -> io::Result<()> {
        if !self.seek.as_mut().is_some_and(|seeker| seeker.step(byte)) {
            self.line += u64::from(byte == b'\n');
            return Ok(());
        }
        let seeks_array = self.seek.as_ref().is_some_and(|seeker| seeker.seeks_array);
        if seeks_array && byte != b'[' {
            return Err(self.fault("what stands where the map says that orders are is no array"));
        }
        self.in_array = seeks_array;
        self.at = At::Start;
        if seeks_array {
            self.at = At::BeforeFirst;
            return Ok(());
        }
        self.begin(byte)
    }

    /// Behind an array of records, or a record that stands alone, the document goes on.
    fn behind_array(&self) -> At {
        if self.seek.is_some() { At::Seeking } else { At::End }
    }

    /// Behind a record that stands in no array, the next one may follow.
    fn behind_record(&self) -> At {
        if self.seek.is_some() { At::Seeking } else { At::Behind }
    }

    fn begin(&mut self, byte: u8) -> io::Result<()> {
        self.record_line = self.line;
        (self.depth, self.in_string, self.escaped) = (0, false, false);
        match byte {
            b'{' | b'[' => self.depth = 1,
            b'"' => self.in_string = true,
            b',' | b']' | b'}' | b':' => return Err(self.fault("a record is missing")),
            _ => {}
        }
        self.at = if self.depth > 0 || self.in_string { At::InNested } else { At::InScalar };
        self.keep(byte);
        Ok(())
    }

    fn step_in_nested(&mut self, byte: u8, builder: &mut ChunkBuilder) {
        self.keep(byte);
        if self.in_string {
            self.in_string = self.escaped || byte != b'"';
            self.escaped = byte == b'\\' && !self.escaped;
        } else {
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth -= 1,
                _ => return,
            }
        }
        if self.depth == 0 && !self.in_string {
            self.finish(builder);
        }
    }

    /// A record takes one line. Between its parts a line feed is white space like any other; within a text, where it is
    /// wrong, a tab is just as wrong.
    fn keep(&mut self, byte: u8) {
        let byte = match byte {
            b'\n' | b'\r' if self.in_string => b'\t',
            b'\n' | b'\r' => b' ',
            _ => byte,
        };
        // One byte more than allowed shows that it is too long.
        if self.record.len() <= RECORD_BYTES_MAX {
            self.record.push(byte);
        }
    }

    fn finish(&mut self, builder: &mut ChunkBuilder) {
        let place = LineSpan { line: self.record_line, lines: 1 };
        if self.record.len() > RECORD_BYTES_MAX {
            builder.refuse(too_long(place));
        } else if let Some(mapped) = &self.mapped {
            mapped.take(&self.record, place, builder);
        } else {
            builder.push(&self.record, place);
        }
        self.record.clear();
        self.at = if self.in_array { At::Behind } else { self.behind_record() };
    }

    fn end(&mut self, builder: &mut ChunkBuilder) -> io::Result<()> {
        if self.at == At::InScalar && !self.in_array {
            self.finish(builder);
        }
        match self.at {
            At::Seeking => self.end_of_seeking(),
            At::Start | At::End => Ok(()),
            At::Behind if !self.in_array => Ok(()),
            At::InNested | At::InScalar => Err(self.fault("the file ends in the middle of a record")),
            _ => Err(self.fault("the file ends in the middle of the array")),
        }
    }

    fn end_of_seeking(&self) -> io::Result<()> {
        let Some((seeker, map)) = self.seek.as_ref().zip(self.mapped.as_ref()) else { return Ok(()) };
        match (seeker.is_at_end(), seeker.found) {
            (false, _) => Err(self.fault("the file ends in the middle of the document")),
            (true, 0) => Err(io::Error::other(format!("there is no {} in it", map.place()))),
            (true, _) => Ok(()),
        }
    }

    fn fault(&self, what: &str) -> io::Error {
        let column = if self.column > 0 { format!(", column {}", self.column) } else { String::new() };
        io::Error::other(format!("line {}{column}: {what}", self.line))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::chunk::ChunkSize;

    fn split(text: &str, buffer: usize) -> (Vec<(u64, String)>, Option<String>) {
        let mut source = Json::new(BufReader::with_capacity(buffer, text.as_bytes()));
        let mut records = Vec::new();
        let mut builder = ChunkBuilder::new(ChunkSize { records: 3, bytes: 1 << 30 });
        loop {
            let more = source.fill(&mut builder);
            let chunk = builder.take(0, 0, 0, 0);
            let lines = std::str::from_utf8(&chunk.body).unwrap().lines().map(str::to_owned);
            records.extend(lines.enumerate().map(|(i, line)| (chunk.place(i).line, line)));
            match more {
                Ok(true) => {}
                Ok(false) => return (records, None),
                Err(error) => return (records, Some(error.to_string())),
            }
        }
    }

    #[test]
    fn elements_keep_their_text_and_know_their_line() {
        let text = "[\n  {\"a\": [1, {\"]\": \"}\\\"\"}]},\n\n {\n\"b\":\n2}, 7 ,\"x\"\n]\n";
        let (records, fault) = split(text, 3);
        let expected = [(2, "{\"a\": [1, {\"]\": \"}\\\"\"}]}"), (4, "{ \"b\": 2}"), (6, "7"), (6, "\"x\"")];
        assert_eq!(records, expected.map(|(line, text)| (line, text.to_owned())));
        assert_eq!(fault, None);
    }

    #[test]
    fn records_may_also_stand_one_behind_the_other() {
        let (records, fault) = split("{\"a\":1}\n{\"b\":2} {\"c\":3}", 100);
        assert_eq!(records.len(), 3);
        assert_eq!(fault, None);
    }

    #[test]
    fn what_is_torn_or_wrong_is_said_with_its_line() {
        for (text, records, said) in [
            ("[{}\n{}]", 1, "line 2, column 1: there is no comma between two records"),
            ("[{},\n]", 1, "line 2, column 1: a record is missing"),
            ("[\"ü\"] []", 1, "line 1, column 7: something stands behind the end of the array"),
            ("[{},\n{\"a\"", 1, "line 2, column 4: the file ends in the middle of a record"),
            ("[{},\n", 1, "line 2: the file ends in the middle of the array"),
            ("[{}", 1, "line 1, column 3: the file ends in the middle of the array"),
            ("[", 0, "line 1, column 1: the file ends in the middle of the array"),
        ] {
            let (found, fault) = split(text, 1);
            assert_eq!((found.len(), fault.as_deref()), (records, Some(said)), "{text}");
        }
        assert_eq!(split("[]", 1), (Vec::new(), None));
        assert_eq!(split("", 1), (Vec::new(), None));
    }

    #[test]
    fn a_line_feed_within_a_text_stays_wrong() {
        let (records, _) = split("[\"a\nb\"]", 10);
        assert!(serde_json::from_str::<Value>(&records[0].1).is_err());
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), ".*".prop_map(Value::from)];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(".*", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_element_comes_out_as_it_went_in(
            values in proptest::collection::vec(value(), 0..20), pretty: bool, buffer in 1_usize..200,
        ) {
            let text = if pretty { serde_json::to_string_pretty(&values) } else { serde_json::to_string(&values) };
            let (records, fault) = split(&text.unwrap(), buffer);
            prop_assert_eq!(fault, None);
            let found: Vec<Value> = records.iter().map(|(_, text)| serde_json::from_str(text).unwrap()).collect();
            prop_assert_eq!(found, values);
        }
    }
}
