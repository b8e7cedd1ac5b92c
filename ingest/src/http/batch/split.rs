//! Chunks of a body to records. A record is handed out as a slice of its chunk; only one that began in the chunk before
//! is put together first. No record makes it hold more than one order may have.

use super::array::ArraySplitter;
use super::lines::LineSplitter;
use super::record::{NotAnArray, Record};

/// Splits a body by its format.
pub(crate) enum Splitter {
    Ndjson(LineSplitter),
    Array(ArraySplitter),
}

impl Splitter {
    pub(crate) fn ndjson() -> Self {
        Self::Ndjson(LineSplitter::default())
    }

    pub(crate) fn array() -> Self {
        Self::Array(ArraySplitter::default())
    }

    /// Hands out every record that is complete with this chunk.
    pub(crate) fn split(&mut self, chunk: &[u8], take: &mut dyn FnMut(Record<'_>)) -> Result<(), NotAnArray> {
        match self {
            Self::Ndjson(lines) => {
                lines.split(chunk, take);
                Ok(())
            }
            Self::Array(array) => array.split(chunk, take),
        }
    }

    /// Hands out what is left at the end of the body.
    pub(crate) fn finish(&mut self, take: &mut dyn FnMut(Record<'_>)) -> Result<(), NotAnArray> {
        match self {
            Self::Ndjson(lines) => {
                lines.finish(take);
                Ok(())
            }
            Self::Array(array) => array.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use forebay_model::order::ORDER_TEXT_BYTES_MAX;

    use super::*;

    type Owned = (u64, Option<Vec<u8>>);

    fn split(mut splitter: Splitter, body: &[u8], chunk_bytes: usize) -> Result<Vec<Owned>, NotAnArray> {
        let mut records = Vec::new();
        let mut take = |record: Record<'_>| records.push((record.line, record.text.map(<[u8]>::to_vec)));
        for chunk in body.chunks(chunk_bytes) {
            splitter.split(chunk, &mut take)?;
        }
        splitter.finish(&mut take)?;
        Ok(records)
    }

    fn texts(records: &[Owned]) -> Vec<(u64, &str)> {
        records.iter().map(|(line, text)| (*line, std::str::from_utf8(text.as_ref().unwrap()).unwrap())).collect()
    }

    #[test]
    fn lines_are_the_same_however_the_body_is_cut() {
        let body = b"{\"a\":1}\n\n  \r\n{\"b\":2}\r\n{\"c\":3}";
        for chunk_bytes in 1..=body.len() {
            let records = split(Splitter::ndjson(), body, chunk_bytes).unwrap();
            assert_eq!(texts(&records), [(1, "{\"a\":1}"), (4, "{\"b\":2}\r"), (5, "{\"c\":3}")], "{chunk_bytes}");
        }
    }

    #[test]
    fn elements_are_the_same_however_the_body_is_cut() {
        let body = br#" [ {"a":"]}\"\\"} ,[1,[2]], 7,"x" ,{"b":{}} ] "#;
        for chunk_bytes in 1..=body.len() {
            let records = split(Splitter::array(), body, chunk_bytes).unwrap();
            let expected = [(1, r#"{"a":"]}\"\\"}"#), (2, "[1,[2]]"), (3, "7"), (4, r#""x""#), (5, r#"{"b":{}}"#)];
            let found: Vec<(u64, &str)> =
                texts(&records).into_iter().map(|(line, text)| (line, text.trim_end())).collect();
            assert_eq!(found, expected, "{chunk_bytes}");
        }
        assert_eq!(split(Splitter::array(), b"[]", 1), Ok(vec![]));
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for body in ["", "{}", "[", "[1", "[1,]", "[,1]", "[1 2]x", "[{}", "[\"", "[1]]", "[1}"] {
            let whole = split(Splitter::array(), body.as_bytes(), 100);
            let bytewise = split(Splitter::array(), body.as_bytes(), 1);
            assert!(whole.is_err() && bytewise.is_err(), "{body}: {whole:?}");
        }
    }

    #[test]
    fn a_record_without_end_is_passed_over_and_its_neighbours_stay() {
        let large = "x".repeat(ORDER_TEXT_BYTES_MAX + 1);
        let body = format!("{{}}\n{large}\n{{}}\n");
        for chunk_bytes in [1000, 1_000_000] {
            let records = split(Splitter::ndjson(), body.as_bytes(), chunk_bytes).unwrap();
            assert_eq!(records, [(1, Some(b"{}".to_vec())), (2, None), (3, Some(b"{}".to_vec()))]);
            let body = format!("[{{}},\"{large}\",{{}}]");
            let records = split(Splitter::array(), body.as_bytes(), chunk_bytes).unwrap();
            assert_eq!(records, [(1, Some(b"{}".to_vec())), (2, None), (3, Some(b"{}".to_vec()))]);
        }
    }
}
