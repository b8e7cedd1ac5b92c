//! The headers of a frame's message, by name, and what is wrong with them.

use std::str::FromStr;

use async_nats::HeaderMap;

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
