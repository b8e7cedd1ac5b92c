//! What is said of the routes of query.

use super::examples;
use super::operation::{Content, Given, Operation};
use super::parts::READ;
use super::schemas::Schemas;
use crate::header::{AFTER, CACHE, OWED, POSITION, SHARDS_MISSING};
use crate::problem::Faults;
use crate::{ChangesPage, Code, LookedUp, Order, OrderIds, Page, ReceiptReport, Route, Stats, Timeline, Totals};
use serde_json::{Value, json};

const OF_LIST: &[Code] = &[
    Code::Malformed,
    Code::Unauthenticated,
    Code::Forbidden,
    Code::NotFound,
    Code::NotAcceptable,
    Code::RateLimited,
    Code::Internal,
    Code::Overloaded,
    Code::ShuttingDown,
    Code::NotReady,
    Code::ShardUnavailable,
    Code::NotYetVisible,
];
const OF_ORDER: &[Code] = &[
    Code::Malformed,
    Code::Unauthenticated,
    Code::Forbidden,
    Code::NotFound,
    Code::RateLimited,
    Code::Internal,
    Code::NotReady,
    Code::ShardUnavailable,
    Code::NotYetVisible,
];
const OF_ORDER_BY_ID: &[Code] = &[
    Code::Malformed,
    Code::Unauthenticated,
    Code::Forbidden,
    Code::NotFound,
    Code::Ambiguous,
    Code::RateLimited,
    Code::Internal,
    Code::NotReady,
    Code::ShardUnavailable,
    Code::NotYetVisible,
];

pub(super) fn get_orders(schemas: &mut Schemas) -> Operation {
    list(
        schemas,
        "List all orders",
        "Of all customers, newest first, or with `order=asc` oldest first; `kind` leaves out sales or returns. With another `Accept` than JSON it is the whole list in one answer, \
         streamed: there is no `limit` and no `cursor` then, a transfer that ends is whole, and orders are as they were placed, so that they can be sent again. `rows=items` has a row for each item.",
        examples::page(),
    )
}

pub(super) fn get_orders_of_customer(schemas: &mut Schemas) -> Operation {
    list(
        schemas,
        "List a customer's orders",
        "Newest first, or with `order=asc` oldest first, by the page, or with another `Accept` than JSON as a whole.",
        examples::page(),
    )
}

pub(super) fn get_orders_of_view(schemas: &mut Schemas) -> Operation {
    list(
        schemas,
        "List the orders of a seller, or of another view",
        "Each order as that seller sees it: with only its items, and their `subtotal`. Newest first, or with `order=asc` oldest first, by the page, or \
         with another `Accept` than JSON as a whole. There is such a list for every view of the system, in the plural: `/v1/sellers/S7/orders`. A path that is no view is \
         404. `Forebay-Owed` says whether something may still be missing.",
        examples::page_of_view(),
    )
}

fn list(schemas: &mut Schemas, summary: &'static str, text: &'static str, example: Value) -> Operation {
    let csv = "order_id,customer_id,timestamp,kind,currency,total,items,attributes\r\n";
    let parquet = json!({"type": "string", "contentMediaType": "application/vnd.apache.parquet"});
    let lines = format!("{}\n", examples::order_as_placed());
    let contents = vec![
        Content::json(schemas.of::<Page<Order<Value>>>(), example),
        Content::text("application/x-ndjson", lines),
        Content::text("text/csv", csv),
        Content::new("application/vnd.apache.parquet", parquet, Value::Null),
    ];
    let found = "A page, or the whole list.";
    let headers = &[CACHE, POSITION, OWED, SHARDS_MISSING, "etag"];
    let gives = vec![Given { status: 200, text: found, headers, contents }, not_modified()];
    Operation { summary, text, takes: Vec::new(), headers: READ, gives, codes: OF_LIST, members: Vec::new() }
}

pub(super) fn get_order(schemas: &mut Schemas) -> Operation {
    let customers =
        json!({"properties": {"customers": {"type": "array", "items": {"type": "string"}}}, "required": ["customers"]});
    Operation {
        codes: OF_ORDER_BY_ID,
        members: vec![(Code::Ambiguous, customers)],
        ..order(
            schemas,
            "Read an order",
            "An id is unique per customer: 409 `ambiguous` names the customers (up to 100) where several have an order with that id. An id that \
             Forebay has assigned leads to its own order.",
        )
    }
}

pub(super) fn get_order_of_customer(schemas: &mut Schemas) -> Operation {
    order(schemas, "Read a customer's order", "")
}

pub(super) fn get_events_of_order(schemas: &mut Schemas) -> Operation {
    Operation { codes: OF_ORDER_BY_ID, ..get_events_of_order_of_customer(schemas) }
}

pub(super) fn get_events_of_order_of_customer(schemas: &mut Schemas) -> Operation {
    let contents = vec![Content::json(schemas.of::<Timeline<Value>>(), examples::timeline())];
    let found = Given { status: 200, text: "All that happened.", headers: &[CACHE, POSITION, OWED, "etag"], contents };
    let gives = vec![found, not_modified()];
    let (summary, text) = (
        "See what happened to an order",
        "By the times of the events. Events whose order is not stored yet are not shown.",
    );
    Operation { summary, text, takes: Vec::new(), headers: READ, gives, codes: OF_ORDER, members: Vec::new() }
}

pub(super) fn get_totals(route: Route, schemas: &mut Schemas) -> Operation {
    let (summary, of) = match route {
        Route::GetTotalsOfCustomer => ("See what a customer's orders come to", ""),
        Route::GetTotalsOfView => (
            "See what the orders of a seller, or of another view, come to",
            "Of the items that each sees: the sums are those of `subtotal`, and an order that has left it none is not among them. However many there are, \
             it is read from sums that are kept by the hour. ",
        ),
        _ => (
            "See what all orders come to",
            "However many there are, it is read from sums that are kept by the hour. (An order with the id `totals` is read as its customer's.) ",
        ),
    };
    let text = "Of orders as they are now: they follow amendments. A return is an order of kind `return`; events of that kind change nothing. Sums are per currency, and exact at the positions of the answer. `gross` is what sales come to, `returned` what returns have given \
                back, `net` the difference. At most 20,000 totals come at once.";
    Operation {
        summary,
        text: format!("{of}{text}").leak(),
        takes: Vec::new(),
        headers: READ,
        gives: vec![
            Given {
                status: 200,
                text: "Period by period, and currency by currency.",
                headers: &[CACHE, POSITION, OWED, "etag"],
                contents: vec![Content::json(schemas.of::<Totals>(), examples::totals())],
            },
            not_modified(),
        ],
        codes: OF_ORDER,
        members: Vec::new(),
    }
}

pub(super) fn post_lookup(schemas: &mut Schemas) -> Operation {
    Operation {
        summary: "Read many orders by their ids",
        text: "Up to 1,000 at once, in the order of their ids. Where an id is nobody's there is null, and also where several customers have it: \
               those are named under `ambiguous`. An id whose index entry is still to come is null, too (`Forebay-Owed` names who owes such entries, a moment after they began to), \
               but with the receipt in `after`, which waits for it; asked for alone, it is looked for on every shard. Together they may have 16 MiB.",
        takes: vec![Content::json(schemas.of::<OrderIds>(), examples::order_ids())],
        headers: &[AFTER],
        gives: vec![Given {
            status: 200,
            text: "What was found for each id.",
            headers: &[CACHE, POSITION, OWED],
            contents: vec![Content::json(schemas.of::<LookedUp<Order<Value>>>(), examples::looked_up())],
        }],
        codes: &[
            Code::Malformed,
            Code::Unauthenticated,
            Code::Forbidden,
            Code::RequestTimeout,
            Code::TooLarge,
            Code::Invalid,
            Code::RateLimited,
            Code::Internal,
            Code::NotReady,
            Code::ShardUnavailable,
            Code::NotYetVisible,
        ],
        members: vec![(Code::Invalid, schemas.of::<Faults>())],
    }
}

fn order(schemas: &mut Schemas, summary: &'static str, text: &'static str) -> Operation {
    let contents = vec![Content::json(schemas.of::<Order<Value>>(), examples::order())];
    let found = Given { status: 200, text: "The order.", headers: &[CACHE, POSITION, OWED, "etag"], contents };
    let gives = vec![found, not_modified()];
    Operation { summary, text, takes: Vec::new(), headers: READ, gives, codes: OF_ORDER, members: Vec::new() }
}

fn not_modified() -> Given {
    let text = "The answer is the one whose `ETag` stands in `If-None-Match`.";
    Given { status: 304, text, headers: &[CACHE, POSITION, OWED, "etag"], contents: Vec::new() }
}

pub(super) fn get_changes(schemas: &mut Schemas) -> Operation {
    let page = Content::json(schemas.of::<ChangesPage<Value>>(), examples::changes());
    let streams =
        ["application/x-ndjson", "text/event-stream"].map(|media_type| Content::text(media_type, Value::Null));
    Operation {
        summary: "Follow what is stored",
        text: "Orders as they were placed and events, each once, those of a shard in the order in which they were committed. Duplicates and dead \
               letters are not among them. Keep `next` when all before it is done, and give it to `since` the next time, after a crash, too. With \
               `wait_ms` an answer without facts waits for one. With `Accept: application/x-ndjson` or `text/event-stream` the answer is a stream \
               that does not end: behind some facts, and every ten seconds, it says `{\"next\": …}` (as the id of an event `position`); where a shard \
               does not answer any more it ends, and is to be begun again.",
        takes: Vec::new(),
        headers: &[],
        gives: vec![Given {
            status: 200,
            text: "What follows, about `limit` facts of it.",
            headers: &[],
            contents: std::iter::once(page).chain(streams).collect(),
        }],
        codes: &[
            Code::Malformed,
            Code::Unauthenticated,
            Code::Forbidden,
            Code::NotAcceptable,
            Code::RateLimited,
            Code::Internal,
            Code::NotReady,
            Code::ShardUnavailable,
        ],
        members: Vec::new(),
    }
}

pub(super) fn get_receipt(schemas: &mut Schemas) -> Operation {
    Operation {
        summary: "Ask what became of a request",
        text: "Of the order, or of the batch as a whole, that was answered with this receipt. `state` is `logged` until all of its orders are \
               decided; until then `stored` is null. With `wait_ms` the answer comes when they are, or after that time. `dead` are the first 100 \
               that could not be stored.",
        takes: Vec::new(),
        headers: &[],
        gives: vec![Given {
            status: 200,
            text: "What is known now.",
            headers: &[],
            contents: vec![Content::json(schemas.of::<ReceiptReport>(), examples::receipt())],
        }],
        codes: &[
            Code::Malformed,
            Code::Unauthenticated,
            Code::Forbidden,
            Code::NotFound,
            Code::ReceiptGone,
            Code::RateLimited,
            Code::Internal,
            Code::NotReady,
            Code::ShardUnavailable,
        ],
        members: Vec::new(),
    }
}

pub(super) fn get_stats(schemas: &mut Schemas) -> Operation {
    Operation {
        summary: "See how many orders there are, and how each shard stands",
        text: "A shard or a log that is down is part of the answer, and no error. With `wait_ms` it comes as soon as everything is drained, and when that time is over as it is then.",
        takes: Vec::new(),
        headers: &[],
        gives: vec![Given {
            status: 200,
            text: "As it stands now.",
            headers: &[],
            contents: vec![Content::json(schemas.of::<Stats>(), examples::stats())],
        }],
        codes: &[Code::Malformed, Code::Unauthenticated, Code::Forbidden, Code::Internal],
        members: Vec::new(),
    }
}
