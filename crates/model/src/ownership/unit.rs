//! Units: the parts of the key space that have one owner each.

use serde::{Deserialize, Serialize};

use crate::Bucket;

/// What is owned and moved as a whole. As JSON an object with the kind as its one key, such as `{"bucket":17}`, so that a part of
/// one customer's orders can be a unit beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// All keys of a bucket.
    Bucket(Bucket),
}
