//! What records come in when they come from another system's log: change data capture, and `CloudEvents` 1.0.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::map::Envelope;

/// What was in an envelope.
pub(super) enum Opened<'j> {
    /// An order, and what it was before, where it is a newer version of it.
    Order { order: &'j RawValue, before: Option<&'j RawValue> },
    /// Nothing of an order.
    Nothing,
    /// What no order can be made of.
    Refused { code: &'static str, why: String },
}

/// The message of a change, as it is or as the payload of one that brings its schema.
#[derive(Deserialize)]
struct Change<'j> {
    #[serde(borrow)]
    payload: Option<&'j RawValue>,
    #[serde(borrow)]
    op: Option<Cow<'j, str>>,
    #[serde(borrow)]
    before: Option<&'j RawValue>,
    #[serde(borrow)]
    after: Option<&'j RawValue>,
}

#[derive(Deserialize)]
struct Event<'j> {
    #[serde(borrow)]
    specversion: Option<Cow<'j, str>>,
    #[serde(borrow)]
    data: Option<&'j RawValue>,
}

/// Opens an envelope.
///
/// # Errors
/// When it is not JSON.
pub(super) fn open(envelope: Envelope, record: &RawValue) -> serde_json::Result<Opened<'_>> {
    match envelope {
        Envelope::Cdc => change(record),
        Envelope::CloudEvents => event(record),
    }
}

fn change(record: &RawValue) -> serde_json::Result<Opened<'_>> {
    // What follows a deletion, so that logs forget the row.
    if record.get() == "null" {
        return Ok(Opened::Nothing);
    }
    let outer: Change<'_> = serde_json::from_str(record.get())?;
    let Change { op, before, after, .. } = match outer.payload {
        Some(payload) => serde_json::from_str(payload.get())?,
        None => outer,
    };
    Ok(match (op.as_deref(), after) {
        (Some("c" | "r"), Some(order)) => Opened::Order { order, before: None },
        (Some("u"), Some(order)) => Opened::Order { order, before },
        (Some("d"), _) => Opened::Refused {
            code: "deleted",
            why: "the row was deleted: what Forebay has stored of it stays".to_owned(),
        },
        // A table was emptied, or somebody wrote a message.
        (Some("t" | "m"), _) => Opened::Nothing,
        (op, _) => Opened::Refused {
            code: "malformed",
            why: format!("it is no change of a row: its op is {}", op.unwrap_or("missing")),
        },
    })
}

fn event(record: &RawValue) -> serde_json::Result<Opened<'_>> {
    let Event { specversion, data } = serde_json::from_str(record.get())?;
    let refused = |why: &str| Opened::Refused { code: "malformed", why: why.to_owned() };
    Ok(match (specversion.as_deref(), data) {
        (Some(version), Some(order)) if version.starts_with("1.") => Opened::Order { order, before: None },
        (Some(_), Some(_)) => refused("it is a CloudEvent of another version than 1"),
        (Some(_), None) => refused("the CloudEvent has no data that is JSON"),
        (None, _) => refused("it is no CloudEvent: it has no specversion"),
    })
}
