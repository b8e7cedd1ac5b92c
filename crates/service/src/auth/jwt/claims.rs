//! What a token says of its client.

use std::num::NonZeroU32;
use std::sync::Arc;

use forebay_api::Right;
use forebay_model::Tenant;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::key_set::Verified;
use super::{LEEWAY_S, Refused};
use crate::auth::binding::Binding;
use crate::auth::client::{Client, Rights};
use crate::auth::tenancy;

/// As long as the name of a client may be.
const SUBJECT_CHARS_MAX: usize = 128;

/// The claims that are looked at besides those of who, for whom and when.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    sub: String,
    /// Seconds since 1970, perhaps with a fraction.
    exp: f64,
    scope: Option<String>,
    orders_per_s: Option<NonZeroU32>,
    requests_per_s: Option<NonZeroU32>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Claims {
    /// The client that they tell of, and until when; `bindings` are the claims that bind it.
    pub(super) fn verified(self, bindings: &[String]) -> Result<Verified, Refused> {
        let Self { sub, exp, scope, orders_per_s, requests_per_s, others } = self;
        let is_name = !sub.is_empty() && sub.chars().count() <= SUBJECT_CHARS_MAX && !sub.chars().any(char::is_control);
        if !is_name {
            return Err(Refused::Claims);
        }
        let client = Client {
            name: sub.as_str().into(),
            rights: rights(scope.as_deref().unwrap_or("")),
            orders_per_s,
            requests_per_s,
            tenant_only: tenant(&others)?,
            tenant: Tenant::default(),
            binding: binding(&others, bindings)?,
            unlisted: unlisted(&others, bindings),
        };
        Ok(Verified { client, until_s: (exp as u64).saturating_add(LEEWAY_S) })
    }
}

/// The rights that a scope names; it may name what is for others, too.
fn rights(scope: &str) -> Rights {
    scope.split_ascii_whitespace().filter_map(Right::named).flatten().copied().collect()
}

/// The claims that bind nobody, and that could be called like a view.
fn unlisted(claims: &Map<String, Value>, bindings: &[String]) -> Arc<[String]> {
    claims.keys().filter(|name| !bindings.contains(name) && Binding::check_name(name).is_ok()).cloned().collect()
}

/// What the claims bind the client to. One that cannot be taken is no token of somebody who is not bound.
fn binding(claims: &Map<String, Value>, bindings: &[String]) -> Result<Option<Binding>, Refused> {
    let mut bound = bindings.iter().filter_map(|name| Some((name, claims.get(name)?)));
    let Some((name, whose)) = bound.next() else { return Ok(None) };
    match bound.next() {
        Some(_) => Err(Refused::Binding),
        None => Binding::of(name, &id(whose)?).map(Some).map_err(|_| Refused::Binding),
    }
}

/// The tenant that the claims bind the client to, whatever else binds it.
fn tenant(claims: &Map<String, Value>) -> Result<Option<Tenant>, Refused> {
    let Some(tenant) = claims.get(tenancy::FIELD) else { return Ok(None) };
    tenancy::bound(id(tenant)?).map(Some).map_err(|_| Refused::Binding)
}

/// An id, which may be a number.
fn id(value: &Value) -> Result<String, Refused> {
    match value {
        Value::String(id) => Ok(id.clone()),
        Value::Number(id) if id.is_i64() || id.is_u64() => Ok(id.to_string()),
        _ => Err(Refused::Binding),
    }
}
