//! Records of JSON.
//!
//! | module | concept |
//! |---|---|
//! | [`ndjson`] | a record on each line |
//! | [`json`], `seek` | records anywhere in a document, read as a stream |
//! | [`rejected`] | what an earlier run has rejected |
//! | [`view_export`] | what is no orders, though it looks like them |
//! | [`mapped`], `tree` | records that a map makes orders of |
//! | [`items`] | items that stand in one array |
//! | `lines` | lines of a bounded length |
//! | `envelope` | what records come in when they come from another system's log |

mod envelope;
pub(crate) mod items;
pub(crate) mod json;
mod lines;
pub(crate) mod mapped;
pub(crate) mod ndjson;
pub(crate) mod rejected;
mod seek;
mod tree;
pub(crate) mod view_export;
