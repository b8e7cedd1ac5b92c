//! The headers of a frame's message, by name, and what is wrong with them.

use std::str::FromStr;

use async_nats::{HeaderMap, HeaderName, HeaderValue};

/// The header of a frame's lane and version of the column list, such as `orders/3`.
pub(super) const FORMAT: &str = "Forebay-Format";
/// How many tuples the payload has.
pub(super) const ROWS: &str = "Forebay-Rows";
/// The epoch of the shard map by which the frame was routed.
pub(super) const EPOCH: &str = "Forebay-Epoch";
/// How many bytes at the end of the message say which rows are of which request; without it, none do.
pub(super) const CLAIMS: &str = "Forebay-Claims";
/// When the frame was made, in microseconds since 1970.
pub(super) const TIME: &str = "Forebay-Time";
/// The frame's id. JetStream itself drops a second message with the same one.
pub(super) const ID: &str = "Nats-Msg-Id";

/// Why a message in a stream is not a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// A header is not there, or there twice.
    #[error("the header {0} is missing or stands there twice")]
    Missing(&'static str),
    /// A header does not say what it should.
    #[error("the header {0} makes no sense: {1:?}")]
    Value(&'static str, String),
    /// What says whose the rows are cannot be read.
    #[error("whose the rows are cannot be read")]
    Claims,
    /// There are no tuples, or it has some and is a control frame.
    #[error("there are no rows, or there are some where none belong")]
    Empty,
}

pub(super) fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, FrameFault> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.as_str()),
        _ => Err(FrameFault::Missing(name)),
    }
}

pub(super) fn parsed<T: FromStr>(headers: &HeaderMap, name: &'static str) -> Result<T, FrameFault> {
    let value = only(headers, name)?;
    value.parse().map_err(|_| FrameFault::Value(name, excerpt(value)))
}

/// Foreign text may be long; its beginning is enough to recognise it.
pub(super) fn excerpt(value: &str) -> String {
    value.chars().take(100).collect()
}

/// Headers have no order, so they are sorted: the same message always gives the same text.
pub(super) fn headers_as_text(headers: &HeaderMap) -> String {
    let mut lines: Vec<String> =
        headers.iter().flat_map(|(name, values)| values.iter().map(move |value| format!("{name}: {value}"))).collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// The headers of a block that can be read. The rest is left out.
pub(crate) fn readable_headers(block: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let text = String::from_utf8_lossy(block);
    for line in text.lines().skip(1) {
        let Some((name, value)) = line.split_once(':') else { continue };
        if let (Ok(name), Ok(value)) = (HeaderName::from_str(name), HeaderValue::from_str(value.trim())) {
            headers.append(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_of_a_bad_header_block_is_read() {
        let headers =
            readable_headers(b"NATS/1.0\r\nA: 1\r\nno colon\r\n\xff: x\r\nGr\xc3\xb6: y\r\nB:2 \r\nA:3\r\n\r\n");
        let mut all: Vec<String> = headers
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| format!("{name}={value}")))
            .collect();
        all.sort_unstable();
        assert_eq!(all, ["A=1", "A=3", "B=2"]);
        assert!(readable_headers(b"").is_empty() && readable_headers(b"\xff\xff").is_empty());
    }
}
