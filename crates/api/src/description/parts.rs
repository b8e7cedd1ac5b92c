//! Parameters and headers, each described once.

use forebay_model::{OrderKind, Status};
use serde_json::{Map, Value, json};

use super::examples::{CURSOR, POSITION_OF_CHANGES, RECEIPT};
use super::schemas::id_schema;
use crate::header::{
    AFTER, CACHE, FIRST_LINE, IDEMPOTENCY_KEY, OWED, POSITION, PREFER, RATE_LIMIT, RATE_LIMIT_POLICY, REQUEST_ID,
    SHARDS_MISSING,
};
use crate::parameter::{LIMIT_DEFAULT, LIMIT_MAX, Parameter, WAIT_MS_DEFAULT, WAIT_MS_MAX};

const REQUEST_ID_TEXT: &str = "The name of this request in logs and problems: what the request had as such, if that is 1 to 128 letters, \
digits and `._:/+=@-`, or else one that was made for it.";

/// The name under which it stands among the components.
pub(super) fn key(name: &str) -> String {
    name.to_lowercase()
}

/// Every parameter: of paths, of queries, and headers.
pub(super) fn parameters() -> Map<String, Value> {
    let in_path = [
        ("order_id", "Which order.", id_schema(), "ORD123456"),
        ("customer_id", "Whose orders.", id_schema(), "CUST789"),
        (
            "view",
            "A view of the system, in the plural: `sellers`, if nothing else was set up.",
            json!({"type": "string"}),
            "sellers",
        ),
        ("key", "Whose view: of `sellers`, the id of a seller.", id_schema(), "S7"),
        ("receipt", "What was answered to the request.", json!({"type": "string"}), RECEIPT),
    ];
    let in_path = in_path.into_iter().map(|(name, text, schema, example)| {
        (name, json!({"name": name, "in": "path", "required": true, "description": text, "schema": schema, "example": example}))
    });
    let in_query = [
        Parameter::Earliest,
        Parameter::Before,
        Parameter::Limit,
        Parameter::Cursor,
        Parameter::Order,
        Parameter::Kind,
        Parameter::Status,
        Parameter::By,
        Parameter::After,
        Parameter::WaitMs,
        Parameter::Partial,
        Parameter::AsPlaced,
        Parameter::Since,
        Parameter::Rows,
    ];
    let in_query = in_query.into_iter().map(|parameter| {
        let (text, schema) = query_parameter(parameter);
        let name = parameter.name();
        (name, json!({"name": name, "in": "query", "description": text, "schema": schema}))
    });
    let headers = [
        (
            "Forebay-After",
            "Does what `after` does; if both are there, `after` counts.",
            json!({"type": "string", "examples": [RECEIPT]}),
        ),
        (
            "Idempotency-Key",
            "Makes sending again safe for orders without an `order_id`: one that comes again with this key, however it is written, is the same \
             order. It must bring its `timestamp`. Another order with the same key is 422 for ten minutes, where it comes by itself. Of a batch it makes, with \
             `Forebay-First-Line`, each line one order; events have ids of their own and need none.",
            json!({"type": "string", "minLength": 1, "maxLength": 128}),
        ),
        (
            "Forebay-First-Line",
            "Where the first line of this body stands in its source, for assigning ids by `Idempotency-Key`: who goes on behind line 2 of a batch says 3.",
            json!({"type": "integer", "minimum": 1, "default": 1}),
        ),
        (
            "Prefer",
            "`wait=N`: where the client's rate slows a batch down for more than N seconds, it is cut short (429), and the client goes on behind its `settled_lines` (RFC 7240). \
             Without it a batch is slowed down to its end, however long that takes.",
            json!({"type": "string", "examples": ["wait=5"]}),
        ),
        (
            "If-None-Match",
            "The `ETag` of an answer that is at hand: 304 where it would be the same.",
            json!({"type": "string"}),
        ),
        (
            "Forebay-Tenant",
            "Where several tenants share the system, the one that this request is about: it reads and sends what is that tenant's, and nothing else. \
             A client that is bound need not name its tenant, and is answered 403 where it names another one. Without it the request is about what is of no tenant. Letters beyond ASCII come as UTF-8.",
            json!({"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]([ -~]*[!-~])?$"}),
        ),
        ("X-Request-Id", REQUEST_ID_TEXT, json!({"type": "string", "examples": ["9f86d081884c7d65"]})),
    ];
    let headers = headers.into_iter().map(|(name, text, schema)| {
        (name, json!({"name": name, "in": "header", "description": text, "schema": schema}))
    });
    in_path.chain(in_query).chain(headers).map(|(name, parameter)| (key(name), parameter)).collect()
}

fn query_parameter(parameter: Parameter) -> (&'static str, Value) {
    match parameter {
        Parameter::Earliest => ("From this moment on.", json!({"type": "string", "format": "date-time"})),
        Parameter::Before => ("Before this moment.", json!({"type": "string", "format": "date-time"})),
        Parameter::Limit => (
            "How many orders a page has at most. It also ends, with `has_more`, when it has more than 8 MiB.",
            json!({"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}),
        ),
        Parameter::Cursor => (
            "The `next_cursor` of the page before, with the same filter.",
            json!({"type": "string", "examples": [CURSOR]}),
        ),
        Parameter::Order => (
            "Newest first (`desc`), or oldest first.",
            json!({"type": "string", "enum": ["asc", "desc"], "default": "desc"}),
        ),
        Parameter::Kind => (
            "Sales, or returns; both where nothing is said.",
            json!({"type": "string", "enum": OrderKind::ALL.map(OrderKind::as_str)}),
        ),
        Parameter::Status => (
            "Orders of that status, as they are now, and in a view as its key sees them; all where nothing is said.",
            json!({"type": "string", "enum": Status::ALL.map(Status::as_str)}),
        ),
        Parameter::By => (
            "By which periods of UTC it is summed; as a whole where nothing is said.",
            json!({"type": "string", "enum": ["hour", "day", "month"]}),
        ),
        Parameter::After => (
            "A receipt (or a `Forebay-Position`): wait until what it names is stored, and what this read sees of it, then read.",
            json!({"type": "string", "examples": [RECEIPT]}),
        ),
        Parameter::WaitMs => (
            "How long to wait, in milliseconds. A read with `after` waits 2000 where nothing is said, and answers 504 `not_yet_visible` behind \
             that; a receipt is answered at once where nothing is said, and after that time as it stands then.",
            json!({"type": "integer", "minimum": 0, "maximum": WAIT_MS_MAX, "examples": [WAIT_MS_DEFAULT]}),
        ),
        Parameter::Since => (
            "The `next` of what was read last: go on behind it. From the beginning where nothing is said; `now` begins at what is stored now.",
            json!({"type": "string", "examples": [POSITION_OF_CHANGES]}),
        ),
        Parameter::AsPlaced => (
            "Show orders as they were placed, and not what has happened to them since. Exports always do.",
            json!({"type": "boolean", "default": false}),
        ),
        Parameter::Partial => (
            "Answer without the shards that are down, and list them in `shards_missing`. By default that is 503 `shard_unavailable`.",
            json!({"type": "boolean", "default": false}),
        ),
        Parameter::Rows => (
            "What a row of an export is: an order, or, as CSV and as NDJSON, an item of one.",
            json!({"type": "string", "enum": ["orders", "items"], "default": "orders"}),
        ),
    }
}

/// Every header of answers.
pub(super) fn headers() -> Map<String, Value> {
    let text =
        |text: &str, example: &str| json!({"description": text, "schema": {"type": "string"}, "example": example});
    let headers = [
        (REQUEST_ID, text(REQUEST_ID_TEXT, "9f86d081884c7d65")),
        (
            CACHE,
            json!({"description": "Where the answer comes from.", "schema": {"type": "string", "enum": ["l1", "redis", "miss", "bypass"]}}),
        ),
        (
            POSITION,
            text(
                "The positions at which the answer holds everything that was committed. It can be given to `after`.",
                "l1.1.4711",
            ),
        ),
        (
            OWED,
            text(
                "What may be missing for longer than a moment: the shards that owe something, each with since when; `building` before them \
                 where the view does not have everything of older orders yet.",
                "1 since 2026-11-29T04:00:00Z",
            ),
        ),
        (SHARDS_MISSING, text("Of an export with `partial=true`: the shards that are left out.", "1, 2")),
        ("etag", text("For `If-None-Match`: the same as long as the answer is.", "W/\"l1.1.4711\"")),
        (
            RATE_LIMIT,
            text(
                "How many orders the client has left, and in how many seconds it has all again.",
                "\"orders\";r=999;t=1",
            ),
        ),
        (RATE_LIMIT_POLICY, text("How many orders per second the client may send.", "\"orders\";q=1000;w=1")),
        (
            "retry-after",
            json!({"description": "Seconds after which to try again.", "schema": {"type": "integer", "minimum": 0}, "example": 1}),
        ),
        (
            "www-authenticate",
            text(
                "What is asked for (RFC 6750); of 403, where the client has not the right.",
                "Bearer realm=\"forebay\"",
            ),
        ),
    ];
    headers.into_iter().map(|(name, header)| (key(name), header)).collect()
}

/// The headers that every problem of a status has.
pub(super) fn of_status(status: u16) -> &'static [&'static str] {
    match status {
        401 | 403 => &["www-authenticate"],
        429 => &["retry-after", RATE_LIMIT, RATE_LIMIT_POLICY],
        503 => &["retry-after"],
        _ => &[],
    }
}

/// References to headers of an answer.
pub(super) fn answered(names: &[&str]) -> Map<String, Value> {
    let reference = |name: &&str| ((*name).to_owned(), json!({"$ref": format!("#/components/headers/{}", key(name))}));
    [REQUEST_ID].iter().chain(names).map(reference).collect()
}

/// The headers of every read that mean something in its request.
pub(super) const READ: &[&str] = &[AFTER, "if-none-match"];
/// Of what is sent.
pub(super) const SEND: &[&str] = &[IDEMPOTENCY_KEY, FIRST_LINE];
/// Of what is sent as a batch.
pub(super) const SEND_BATCH: &[&str] = &[IDEMPOTENCY_KEY, FIRST_LINE, PREFER];
