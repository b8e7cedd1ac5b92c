//! What must hold for bytes from anywhere: one function per fuzz target. Each panics where it does not hold.
//!
//! Only fuzz targets and tests are built with this module; the tests run it over the seeds of the targets.

use bytes::Bytes;
use forebay_api::Route;
use forebay_api::parameter::LIMIT_MAX;
use forebay_model::Tenant;
use forebay_service::Problem;
use forebay_shard::read::{Direction, Filter, Span};
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

use crate::cache::codec;
use crate::http::request::accept;
use crate::http::request::query_string::QueryString;
use crate::list::cursor::{self, CursorError, ListDigest};

/// A text that is accepted as a cursor is the one that is written for the same place. So that a fuzzer need not guess
/// digests, the bytes are also taken for what a cursor holds.
///
/// # Panics
/// Where that does not hold.
pub fn cursor(bytes: &[u8]) {
    let list = ListDigest::new(Tenant::none(), &["orders"], Span::ALL, Direction::NewestFirst, Filter::default());
    for text in [String::from_utf8_lossy(bytes).into_owned(), cursor::seal(bytes.to_vec())] {
        match cursor::read(list, &text) {
            Ok(key) => assert_eq!(cursor::write(list, key.borrowed()), text),
            Err(CursorError::Foreign | CursorError::OtherList) => {}
        }
    }
}

/// What stands behind the `?` of a request is read, or refused with a sentence; what is read is within its bounds, and a position is the one
/// that is written for the same place.
///
/// # Panics
/// Where that does not hold.
pub fn query_string(bytes: &[u8]) {
    let Ok(uri) = format!("/?{}", String::from_utf8_lossy(bytes)).parse() else { return };
    for route in Route::ALL.iter().copied().filter(|route| !route.parameters().is_empty()) {
        let Ok(query) = QueryString::read(&uri, route) else { continue };
        assert!(query.span().is_ok_and(|span| span.from <= span.to) || query.span().is_err());
        assert!(query.limit().is_ok_and(|limit| (1..=LIMIT_MAX).contains(&limit)) || query.limit().is_err());
        // The beginning has a word of its own.
        if let Ok(Some(since)) = query.since(None)
            && !since.is_empty()
        {
            assert_eq!(since.to_string().parse(), Ok(since));
        }
        let list = ListDigest::new(Tenant::none(), &["orders"], Span::ALL, Direction::NewestFirst, Filter::default());
        let read = [
            query.cursor(list).map(drop),
            query.direction().map(drop),
            query.filter().map(drop),
            query.by().map(drop),
            query.partial().map(drop),
            query.shown().map(drop),
            query.is_by_item().map(drop),
            query.patience(&HeaderMap::new()).map(drop),
            query.wait().map(drop),
        ];
        for problem in read.into_iter().filter_map(Result::err) {
            assert!(problem.status().as_u16() == 400 && !problem.detail().is_empty());
        }
    }
}

/// The header `Accept` asks for a form that is on offer, or for none of them; it is the same in one line and in several, and who asks for a
/// form by its name alone is given that.
///
/// # Panics
/// Where that does not hold.
pub fn accept(bytes: &[u8]) {
    let headers = |texts: &mut dyn Iterator<Item = &[u8]>| {
        let values = texts.filter_map(|text| HeaderValue::from_bytes(text).ok());
        values.map(|value| (ACCEPT, value)).collect::<HeaderMap>()
    };
    let one = headers(&mut std::iter::once(bytes));
    let several = headers(&mut bytes.split(|&byte| byte == b','));
    let refused = |problem: Problem| (problem.status().as_u16(), problem.detail().to_owned());
    let wanted = |headers: &HeaderMap| accept::wanted(headers).map_err(refused);
    if one.is_empty() {
        assert_eq!(wanted(&one), Ok(None));
        return;
    }
    // A line that is no text says nothing at all.
    if bytes.is_ascii() {
        assert_eq!(wanted(&one), wanted(&several));
    }
    match wanted(&one) {
        Ok(None) => {}
        Ok(Some(format)) => {
            let alone = headers(&mut std::iter::once(format.media_type().as_bytes()));
            assert_eq!(wanted(&alone), Ok(Some(format)));
        }
        Err((status, detail)) => assert!(status == 406 && detail.contains("application/json")),
    }
    assert!(accept::wanted_stream(&one).map_err(refused).err().is_none_or(|(status, _)| status == 406));
}

/// An entry that is accepted is the same when it is written and read again.
///
/// # Panics
/// Where that does not hold.
pub fn entry(bytes: &[u8]) {
    let Some(entry) = codec::decode(&Bytes::copy_from_slice(bytes)) else { return };
    assert_eq!(codec::decode(&Bytes::from(codec::encode(&entry))), Some(entry));
}

#[cfg(test)]
mod tests {
    use forebay_testkit::seeds;

    use super::*;

    #[test]
    fn the_seeds_of_the_fuzz_targets_hold() {
        seeds::each("cursor", cursor);
        seeds::each("query_string", query_string);
        seeds::each("accept", accept);
        assert!(codec::decode(&Bytes::from_static(include_bytes!("../../tools/fuzz/seeds/entry/body"))).is_some());
        seeds::each("entry", entry);
    }
}
