//! The events of an order as a shard gives them: one JSON array of `[event id, kind, time in microseconds since 1970, content]`.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{EventKind, Status};
use crate::Timestamp;

/// An event as far as an order's life goes by it.
#[derive(Clone, Debug)]
pub struct StoredEvent<'a> {
    /// Which event of its order.
    pub event_id: String,
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// The text of a JSON object: every other field.
    pub content: Cow<'a, str>,
}

/// The events of one order, in the order of their own times; of the same instant, states in their order behind all others,
/// then by id.
#[derive(Clone, Debug, Default)]
pub struct StoredEvents<'a>(Vec<StoredEvent<'a>>);

/// A text that is no such array.
#[derive(Debug, thiserror::Error)]
#[error("the events of an order are not readable: {0}")]
pub struct BadEvents(String);

#[derive(Deserialize)]
struct Raw<'a>(String, String, i64, #[serde(borrow)] &'a RawValue);

impl<'a> StoredEvents<'a> {
    /// Reads what a shard gave; nothing of an order without events.
    ///
    /// # Errors
    /// [`BadEvents`].
    pub fn read(text: Option<&'a str>) -> Result<Self, BadEvents> {
        let Some(text) = text else { return Ok(Self::default()) };
        let raw: Vec<Raw<'a>> = serde_json::from_str(text).map_err(|error| BadEvents(error.to_string()))?;
        let event = |Raw(event_id, kind, unix_us, content): Raw<'a>| {
            let kind = kind.parse().map_err(|_| BadEvents(format!("there is no kind {kind}")))?;
            Ok(StoredEvent { event_id, kind, at: Timestamp::from_unix_us(unix_us), content: content.get().into() })
        };
        Ok(Self::new(raw.into_iter().map(event).collect::<Result<_, _>>()?))
    }

    /// These events, which may stand in any order. Of two with one id, as an order has them where one sender has named its customer and one
    /// has not, the first counts.
    pub fn new(mut events: Vec<StoredEvent<'a>>) -> Self {
        events.sort_by(|a, b| place(a).cmp(&place(b)));
        let mut ids = HashSet::new();
        let is_first: Vec<bool> = events.iter().map(|event| ids.insert(&*event.event_id)).collect();
        let mut is_first = is_first.into_iter();
        events.retain(|_| is_first.next().unwrap_or(true));
        Self(events)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each in turn.
    pub fn iter(&self) -> impl Iterator<Item = &StoredEvent<'a>> {
        self.0.iter()
    }
}

fn place<'e>(event: &'e StoredEvent<'_>) -> (Timestamp, Option<Status>, &'e str) {
    (event.at, event.kind.state(), &event.event_id)
}
