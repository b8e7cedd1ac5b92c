//! What a token says of its client.

use std::num::NonZeroU32;

use forebay_api::Right;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::key_set::Verified;
use super::{LEEWAY_S, Refused};
use crate::auth::client::{Client, Rights};

/// As long as the name of a client may be.
const SUBJECT_CHARS_MAX: usize = 128;

/// The claims that bind a client to what it may see.
const BINDING_CLAIMS: [&str; 3] = ["customer", "seller", "tenant"];

/// The claims that are looked at besides those of who, for whom and when.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    sub: String,
    /// Seconds since 1970, perhaps with a fraction.
    exp: f64,
    scope: Option<String>,
    orders_per_s: Option<NonZeroU32>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Claims {
    /// The client that they tell of, and until when.
    pub(super) fn verified(self) -> Result<Verified, Refused> {
        let Self { sub, exp, scope, orders_per_s, others } = self;
        let is_name = !sub.is_empty() && sub.chars().count() <= SUBJECT_CHARS_MAX && !sub.chars().any(char::is_control);
        if !is_name {
            return Err(Refused::Claims);
        }
        check_binding(&others)?;
        let client = Client { name: sub.as_str().into(), rights: rights(scope.as_deref().unwrap_or("")), orders_per_s };
        Ok(Verified { client, until_s: (exp as u64).saturating_add(LEEWAY_S) })
    }
}

/// The rights that a scope names; it may name what is for others, too.
fn rights(scope: &str) -> Rights {
    scope.split_ascii_whitespace().filter_map(Right::named).flatten().copied().collect()
}

/// The one place where claims become a binding. Until clients can be bound, a token that wants it is refused: it would open too much.
fn check_binding(claims: &Map<String, Value>) -> Result<(), Refused> {
    let is_bound = BINDING_CLAIMS.iter().any(|&claim| claims.contains_key(claim));
    if is_bound { Err(Refused::Binding) } else { Ok(()) }
}
