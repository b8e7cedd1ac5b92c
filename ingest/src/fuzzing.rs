//! What must hold for bytes from anywhere: one function per fuzz target. Each panics where it does not hold.
//!
//! Only fuzz targets and tests are built with this module; the tests run it over the seeds of the targets.

use serde_json::value::RawValue;

use crate::http::batch::record::{NotAnArray, Record};
use crate::http::batch::split::Splitter;

type Records = (Vec<(u64, Option<Vec<u8>>)>, Result<(), NotAnArray>);

/// A batch has the same records however its bytes are cut: the lines that are not blank, or the elements of the array.
/// The first byte says how long the chunks are.
///
/// # Panics
/// Where that does not hold.
pub fn batch(bytes: &[u8]) {
    let Some((&first, body)) = bytes.split_first() else { return };
    let lines = body.split(|&byte| byte == b'\n').zip(1..);
    let lines = lines.filter(|(line, _)| !line.trim_ascii().is_empty()).map(|(line, at)| (at, Some(line.to_vec())));
    let whole = split(Splitter::ndjson(), body, usize::MAX);
    assert_eq!(whole, (lines.collect(), Ok(())));
    assert_eq!(split(Splitter::ndjson(), body, usize::from(first) + 1), whole);

    let whole = split(Splitter::array(), body, usize::MAX);
    for chunk_bytes in [1, usize::from(first) + 1] {
        assert_eq!(split(Splitter::array(), body, chunk_bytes), whole);
    }
    if let Ok(elements) = serde_json::from_slice::<Vec<&RawValue>>(body) {
        let elements = elements.iter().map(|element| element.get().as_bytes());
        let found = whole.0.iter().map(|(_, text)| text.as_deref().unwrap_or_default().trim_ascii_end());
        assert!(whole.1.is_ok() && elements.eq(found), "{whole:?}");
    }
}

/// The records before the end, or before what is wrong.
fn split(mut splitter: Splitter, body: &[u8], chunk_bytes: usize) -> Records {
    let mut records = Vec::new();
    let mut take = |record: Record<'_>| records.push((record.line, record.text.map(<[u8]>::to_vec)));
    let chunks = body.chunks(chunk_bytes).try_for_each(|chunk| splitter.split(chunk, &mut take));
    let outcome = chunks.and_then(|()| splitter.finish(&mut take));
    (records, outcome)
}

#[cfg(test)]
mod tests {
    use forebay_testkit::seeds;

    use super::*;

    #[test]
    fn the_seeds_of_the_fuzz_target_hold() {
        seeds::each("batch", batch);
    }
}
