//! Whose orders a request is about, where several tenants share a system.

use forebay_api::header::TENANT;
use forebay_model::Tenant;
use http::HeaderMap;

use super::client::Client;
use crate::problem::Problem;

/// What stands in the clients file, or in tokens, of who is bound to a tenant.
pub(super) const FIELD: &str = "tenant";

/// A tenant to be bound to.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub(super) fn bound(text: String) -> Result<Tenant, String> {
    Tenant::named(text).map_err(|error| format!("{FIELD} {error}"))
}

impl Client {
    /// The same, of a request with these headers: it is about the client's own tenant, else about the one that the request names, else
    /// about none.
    ///
    /// # Errors
    /// The problem `forbidden` where it names another than the client's own, `malformed` where what it names cannot be one.
    pub(super) fn within(self, headers: &HeaderMap) -> Result<Self, Problem> {
        let tenant = match (self.own_tenant(), named(headers)?) {
            (Some(own), Some(named)) if *own != named => {
                let named = named.as_str();
                return Err(Problem::forbidden(format!(
                    "the client is bound, and not to the tenant {named:?} that the header Forebay-Tenant names"
                )));
            }
            (Some(own), _) => own.clone(),
            (None, named) => named.unwrap_or_default(),
        };
        Ok(Self { tenant, ..self })
    }

    /// The only one that its requests may be about. Who is bound to a customer or to a key of a view, and to no tenant, is so among what is of
    /// none: ids mean nothing without their tenant.
    fn own_tenant(&self) -> Option<&Tenant> {
        self.tenant_only.as_ref().or_else(|| self.binding.as_ref().map(|_| Tenant::none()))
    }
}

/// The tenant that a request names.
fn named(headers: &HeaderMap) -> Result<Option<Tenant>, Problem> {
    let bad = |what: &str| Problem::malformed(format!("the header Forebay-Tenant {what}"));
    let mut values = headers.get_all(TENANT).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(bad("must be there once"));
    }
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| bad("must be UTF-8"))?;
    Tenant::named(text).map(Some).map_err(|error| bad(&error.to_string()))
}
