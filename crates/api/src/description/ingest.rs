//! What is said of the routes of ingest.

use super::examples;
use super::operation::{Content, Given, Operation};
use super::parts::{SEND, SEND_BATCH};
use super::schemas::Schemas;
use crate::header::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::problem::Faults;
use crate::{AcceptedEvent, AcceptedOrder, BatchReport, Code, NewEvent, NewOrder};
use serde_json::{Value, json};

/// With which codes what is sent may be refused.
const CODES: &[Code] = &[
    Code::Malformed,
    Code::Unauthenticated,
    Code::Forbidden,
    Code::RequestTimeout,
    Code::TooLarge,
    Code::UnsupportedMediaType,
    Code::Invalid,
    Code::RateLimited,
    Code::Internal,
    Code::Overloaded,
    Code::LogFull,
    Code::LogUnreachable,
    Code::ShuttingDown,
    Code::NotReady,
];

/// With which codes an order may be refused.
const CODES_OF_ORDER: &[Code] = &[
    Code::Malformed,
    Code::Unauthenticated,
    Code::Forbidden,
    Code::RequestTimeout,
    Code::TooLarge,
    Code::UnsupportedMediaType,
    Code::Invalid,
    Code::WriteOff,
    Code::RateLimited,
    Code::Internal,
    Code::Overloaded,
    Code::LogFull,
    Code::LogUnreachable,
    Code::ShuttingDown,
    Code::NotReady,
];

/// With which of them a batch may be cut short.
const CUT_SHORT: &[Code] =
    &[Code::Malformed, Code::RequestTimeout, Code::TooLarge, Code::RateLimited, Code::Overloaded];

pub(super) fn post_order(schemas: &mut Schemas) -> Operation {
    Operation {
        summary: "Send an order",
        text: "Answers when the order is on disk in the log. Sending it again is harmless: with its `order_id` and `timestamp` it is stored \
               once. An order with an `order_id` needs its `timestamp`. One order is at most 256 KiB. A credit note is an order of `kind` `return`, \
               with negative quantities; what has them and is neither sold nor returned is a `write_off`, and no order.",
        takes: vec![Content::json(schemas.of::<NewOrder<Value>>(), examples::new_order())],
        headers: SEND,
        gives: vec![Given {
            status: 202,
            text: "The order is safe, and will be stored.",
            headers: &[RATE_LIMIT, RATE_LIMIT_POLICY],
            contents: vec![Content::json(schemas.of::<AcceptedOrder>(), examples::accepted())],
        }],
        codes: CODES_OF_ORDER,
        members: vec![(Code::Invalid, schemas.of::<Faults>())],
    }
}

pub(super) fn post_orders(schemas: &mut Schemas) -> Operation {
    let orders = json!({"type": "array", "items": schemas.of::<NewOrder<Value>>()});
    batch(
        schemas,
        "Send many orders",
        "An order a line (NDJSON; blank lines are passed over), or a JSON array; also with `Content-Encoding: gzip` or `zstd`. The body is \
         read as a stream and logged as it comes, and may be of any length. Lines that are no orders are rejected one by one, and the first \
         100 of them are told; where nothing was accepted, that is 422 with the same members. A stream that is faster than the client's \
         rate is slowed down. A batch that has to be cut short (400 torn body, 408, 413, 429, 503) is a problem with the same members and \
         `settled_lines`: every line up to that one is accepted or rejected for good. Go on behind it, or send all of it again. Orders without an `order_id` are stored twice \
         by that, unless the request has an `Idempotency-Key` and, where it goes on behind a line, says in `Forebay-First-Line` with which one.",
        vec![
            Content::new("application/x-ndjson", json!({"type": "string"}), examples::lines()),
            Content::json(orders, json!([examples::new_order()])),
        ],
    )
}

pub(super) fn post_event(schemas: &mut Schemas) -> Operation {
    Operation {
        summary: "Say what happened to an order",
        text: "Before the order is there or later, in any order, and again at any time: what the order has become follows from the events' own \
               times. An event with the same `event_id` and another content is a conflict, of which the first stays.",
        takes: vec![Content::json(schemas.of::<NewEvent<Value>>(), examples::new_event())],
        headers: &[],
        gives: vec![Given {
            status: 202,
            text: "The event is safe, and will be stored.",
            headers: &[RATE_LIMIT, RATE_LIMIT_POLICY],
            contents: vec![Content::json(schemas.of::<AcceptedEvent>(), examples::accepted_event())],
        }],
        codes: CODES,
        members: vec![(Code::Invalid, schemas.of::<Faults>())],
    }
}

pub(super) fn post_events(schemas: &mut Schemas) -> Operation {
    let events = json!({"type": "array", "items": schemas.of::<NewEvent<Value>>()});
    batch(
        schemas,
        "Say what happened to many orders",
        "An event a line, each with its `order_id`, or a JSON array. As a batch of orders in everything else.",
        vec![
            Content::new(
                "application/x-ndjson",
                json!({"type": "string"}),
                format!("{}\n", examples::event_of_order()).into(),
            ),
            Content::json(events, json!([examples::event_of_order()])),
        ],
    )
}

fn batch(schemas: &mut Schemas, summary: &'static str, text: &'static str, takes: Vec<Content>) -> Operation {
    let report = schemas.of::<BatchReport>();
    let settled = "Where the batch was begun: every line up to this one is accepted or rejected for good.";
    // One that was never begun has none of them.
    let cut_short = json!({"properties": {
        "settled_lines": {"type": "integer", "minimum": 0, "description": settled},
        "accepted": {"type": "integer", "minimum": 0, "description": "How many of these lines are safe."},
        "rejected": {"type": "integer", "minimum": 0, "description": "How many of them are no orders."},
        "errors": {"type": "array", "description": "The first 100 of those, as in the answer to a whole batch."},
        "receipt": {"type": ["string", "null"], "description": "Of what is safe."},
    }});
    Operation {
        summary,
        text,
        takes,
        headers: SEND_BATCH,
        gives: vec![Given {
            status: 202,
            text: "What was accepted is safe, and will be stored.",
            headers: &[],
            contents: vec![Content::json(report.clone(), examples::report())],
        }],
        codes: CODES,
        members: CUT_SHORT.iter().map(|&code| (code, cut_short.clone())).chain([(Code::Invalid, report)]).collect(),
    }
}
