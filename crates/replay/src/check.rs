//! Records, checked as ingest checks them.

use std::num::NonZeroU16;

use anyhow::Result;
use forebay_client::RecordKind;
use forebay_model::order::Draft;
use forebay_model::order::fault::Rejection;
use forebay_model::{Event, EventParser, Hash, OrderParser, ShardMap, Tenant, Timestamp, ViewSet};

/// How far ahead of now a record's time may lie: what ingest allows if nothing else is said.
const AHEAD_MAX_US: i64 = 86_400_000_000;
/// Orders that name no currency are told under the one that ISO 4217 has for them. An order is right or wrong without it.
const UNNAMED_CURRENCY: &str = "XXX";

/// Checks records of one kind.
#[derive(Clone)]
pub(crate) enum Checker {
    Orders(OrderParser),
    /// With a map of any system: whether an event leads to its customer is the same in all of them.
    Events(EventParser, Box<ShardMap>),
}

/// A record that is right.
pub(crate) enum Checked<'j> {
    Order(Draft<'j>),
    Event(Event),
}

impl Checker {
    /// Checks records of a system with these views.
    ///
    /// # Errors
    /// None, as long as the currency is one.
    pub(crate) fn new(kind: RecordKind, views: ViewSet) -> Result<Self> {
        Ok(match kind {
            RecordKind::Orders => Self::Orders(OrderParser::new(views, UNNAMED_CURRENCY.parse()?, AHEAD_MAX_US)),
            RecordKind::Events => {
                let map = ShardMap::even(NonZeroU16::MIN, Hash::Md5);
                Self::Events(EventParser::new(views, AHEAD_MAX_US), Box::new(map))
            }
        })
    }

    /// The record, if it is right. `now` bounds its time.
    ///
    /// # Errors
    /// [`Rejection`], as ingest says it.
    pub(crate) fn check<'j>(&self, json: &'j [u8], now: Timestamp) -> Result<Checked<'j>, Rejection> {
        match self {
            Self::Orders(parser) => parser.parse(json, now).map(Checked::Order),
            Self::Events(parser, map) => {
                parser.parse(json, None, now)?.settle(Tenant::none(), map, None).map(Checked::Event)
            }
        }
    }
}

impl Checked<'_> {
    /// Whether it is the same record whenever it is sent.
    ///
    /// # Errors
    /// [`Rejection`] where it would be another order each time.
    pub(crate) fn repeatable(self) -> Result<(), Rejection> {
        match self {
            Self::Order(draft) => draft.repeatable().map(drop),
            // Events have ids.
            Self::Event(_) => Ok(()),
        }
    }
}
