//! A client, and what it may do.

use std::num::NonZeroU32;
use std::sync::Arc;

use forebay_api::Right;
use forebay_model::{Tenant, ViewSet};

use super::binding::Binding;
use crate::http::peer::ClientName;
use crate::problem::Problem;

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights(u8);

/// Who sends a request. An extractor for handlers of routes behind a [`Guard`](super::Guard).
#[derive(Debug, Clone)]
pub struct Client {
    /// The name that the client is known by.
    pub name: ClientName,
    /// What the client was given to do. What it may do is less where it is bound: see [`Client::may`].
    pub rights: Rights,
    /// The client's own rate limit, where it has one.
    pub orders_per_s: Option<NonZeroU32>,
    /// The like for questions.
    pub requests_per_s: Option<NonZeroU32>,
    /// The tenant that the client is bound to.
    pub(crate) tenant_only: Option<Tenant>,
    /// The tenant that this request of it is about.
    pub(crate) tenant: Tenant,
    /// What the client sees of the tenant and nothing else; `None` is all of it.
    pub(crate) binding: Option<Binding>,
    /// Claims of its token that bind nobody, and that could be called like a view.
    pub(crate) unlisted: Arc<[String]>,
}

impl Client {
    /// The tenant that its request is about: everything that it reads and sends is of that tenant.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// What the client sees of a system that has these views, and nothing else; `None` is all of it. They are asked for where it depends on them.
    ///
    /// # Errors
    /// The problem `forbidden` where its token has a claim with the name of a view, by which it is not bound: it could be meant to be. Or
    /// what asking for the views says.
    pub fn binding(&self, views: impl FnOnce() -> Result<ViewSet, Problem>) -> Result<Option<&Binding>, Problem> {
        if self.unlisted.is_empty() {
            return Ok(self.binding.as_ref());
        }
        let views = views()?;
        let is_view = |name: &&String| views.iter().any(|view| **view.spec.name() == ***name);
        match self.unlisted.iter().find(is_view) {
            None => Ok(self.binding.as_ref()),
            Some(name) => Err(Problem::forbidden(format!(
                "the token has the claim {name}, which is the name of a view, and --jwt-bindings does not have it"
            ))),
        }
    }

    /// Whether the client may do what needs that right. Who is bound, be it to a tenant, does not see how the system is doing inside.
    pub fn may(&self, right: Right) -> bool {
        let is_left = self.binding.as_ref().is_none_or(|binding| binding.leaves(right));
        self.rights.has(right) && is_left && (self.tenant_only.is_none() || right != Right::Ops)
    }
}

impl Rights {
    /// Everything: what open access gives.
    pub const ALL: Self = Self(u8::MAX);

    /// Whether the right is in the set.
    pub fn has(self, right: Right) -> bool {
        self.0 & bit(right) != 0
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().fold(0, |set, right| set | bit(right)))
    }
}

fn bit(right: Right) -> u8 {
    1 << right as u8
}
