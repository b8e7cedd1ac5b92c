//! What a system of up to a thousand shards would be like: the very code that routes, plans, decides, derives and tells is run on it, without any server.
//! What it comes to stands in docs/SCALING.md, which `UPDATE=1 ./dev test -p forebay-model scale` writes; the promises are asserted.
//!
//! | module | concept |
//! |---|---|
//! | `fleet` | maps of many shards, and what their buckets weigh |
//! | `buckets` | how even shards are |
//! | `growth` | what moves when one more comes |
//! | `moves` | what the map goes through while units move |
//! | `traffic` | frames of derived facts, and notices |
//! | `links` | receipts, streams, connections, memory |
//! | `page` | the tables of the page |
#![allow(missing_docs, clippy::unwrap_used)]

mod buckets;
mod fleet;
mod growth;
mod links;
mod moves;
mod page;
mod traffic;
