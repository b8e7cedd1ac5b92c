//! The description of the interface (OpenAPI 3.1), made of the types of this crate and the table of routes.
//!
//! Only tests are built with it. What it makes is docs/openapi.json, which services give out; a test says when the two differ, and
//! `FOREBAY_GOLDEN=write` makes the file anew. So a change of the interface is seen as a change of that file.
//!
//! | module | concept |
//! |---|---|
//! | `operation` | what is said of a route |
//! | `routes` | which of them is said of which route |
//! | `ingest`, `query`, `common` | what is said of each of them |
//! | `parts` | parameters and headers |
//! | `schemas` | the types, as JSON Schema |
//! | `examples` | a value of each type |

mod common;
mod examples;
mod ingest;
mod operation;
mod parts;
mod query;
mod routes;
mod schemas;

use serde_json::{Map, Value, json};

use crate::route::{Role, Route};
use operation::Operation;
use schemas::Schemas;

pub(crate) use schemas::{by_kind, event_kind, id, id_and_time, id_or_null, ids, kind, sku};

const TEXT: &str = "\
Forebay takes orders over HTTP, answers 202 when they are safe in its log, stores each exactly once, and gives them back.

- **To send orders**, one: `POST /v1/orders`; many: `POST /v1/orders/batch`. The answer 202 is a promise: the order is on disk, and will be stored, \
or kept as a dead letter with its reason: such as `conflict` where its customer had another order with that id already, of which the first stays. Sending the same order again is \
harmless at any time where it says which order it is: with an `order_id` and a `timestamp` it is stored once, and so it is without an id where request and order have an `Idempotency-Key` and a \
`timestamp`. Without both, each is an order of its own. 429 and 503 say in `Retry-After` \
(seconds) when to try again; a batch that was cut short says in `settled_lines` how many leading lines need not be sent again.
- **To read what was just written**, give the `receipt` of the answer to `after` of any read: it waits until what the receipt names is there. \
`GET /v1/receipts/{receipt}` says what became of it. Receipts come from ingest, and are read at query, which may have another address.
- **To page**, give `next_cursor` to `cursor`, with the same filter, as long as `has_more`.
- **Errors** are problems (RFC 9457) with a stable `code`. Each answer has an `X-Request-Id`; a client may choose it by sending one.
- **Amounts** are integers in minor units of the order's currency; sums of many may be beyond 2^53, which some programs round. **Times** are RFC 3339.
- Where it is said who may come in, requests to `/v1` need `Authorization: Bearer API_KEY_OR_JWT`, or a client certificate, of a client that has the right (`x-right`); else access is open.
";

/// The whole description.
fn document() -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for &route in Route::ALL {
        let operation = Operation::of(route, &mut schemas).to_json(route, &mut schemas);
        let path = paths.entry(route.path()).or_insert_with(|| json!({}));
        path[route.method().as_str().to_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Forebay",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "A write-buffered way in for orders, and the way back to each of them",
            "description": TEXT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": Role::Ingest.as_str(), "description": "Takes orders."},
            {"name": Role::Query.as_str(), "description": "Gives them back."},
            {"name": Role::Writer.as_str(), "description": "Stores them."},
            {"name": operation::EVERY_SERVICE, "description": "What every service answers."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas.into_json(),
            "parameters": parts::parameters(),
            "headers": parts::headers(),
            "securitySchemes": {"token": {
                "type": "http", "scheme": "bearer",
                "description": "An API key of the clients file, or a token (JWT) of the issuer. Each operation names the right that it takes (`x-right`).",
            }},
        },
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn golden_description_is_the_one_in_the_repository() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        let made = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        if std::env::var_os("FOREBAY_GOLDEN").is_some_and(|asked| asked == "write") {
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        let differs = kept.lines().zip(made.lines()).position(|(kept, made)| kept != made);
        let line = differs.unwrap_or_else(|| kept.lines().count().min(made.lines().count()));
        let said = made.lines().nth(line).unwrap_or("(its end)");
        assert!(
            kept == made,
            "docs/openapi.json is stale at line {}, where the code says {said}: FOREBAY_GOLDEN=write ./dev test golden",
            line + 1
        );
    }

    #[test]
    fn each_reference_leads_somewhere_and_nothing_is_described_in_vain() {
        let document = document();
        let text = document.to_string();
        let mut named: Vec<&str> =
            text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        named.sort_unstable();
        named.dedup();
        for pointer in &named {
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        for kind in ["schemas", "parameters", "headers"] {
            for name in document["components"][kind].as_object().unwrap().keys() {
                let pointer = format!("/components/{kind}/{name}");
                assert!(named.contains(&pointer.as_str()), "{pointer} is used nowhere");
            }
        }
    }

    #[test]
    fn each_route_says_what_it_is_what_it_takes_and_with_which_codes_it_fails() {
        for &route in Route::ALL {
            let said = Operation::of(route, &mut Schemas::new());
            let is_asked = route.path().starts_with("/v1");
            assert!(!said.summary.is_empty() && !said.summary.ends_with('.') && !said.gives.is_empty(), "{route}");
            assert_eq!(!said.codes.is_empty(), is_asked || route == Route::Readyz, "{route}");
            assert!(said.codes.is_sorted_by_key(|code| code.status()), "{route}");
            assert_eq!(!said.takes.is_empty(), route.method() == crate::route::Method::Post, "{route}");
        }
    }
}
