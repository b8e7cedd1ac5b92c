//! What a service says of itself to a client that names no path.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The answer of `GET /`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Welcome {
    /// `forebay`.
    pub name: String,
    /// The release.
    pub version: String,
    /// What it does here: `ingest`, `writer`, `query`.
    pub roles: Vec<String>,
    /// Where to go on, by what is to be found there.
    pub links: BTreeMap<String, String>,
}
