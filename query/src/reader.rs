//! Who asks, and so what may be seen.
//!
//! Handlers are given no more than a [`Closed`] door. What opens it is an extractor that knows the client: a [`Reader`] has the scope of that
//! client, without which there is nothing to ask a shard for, and an [`Overview`] is for who sees everything.

use axum::extract::FromRequestParts;
use forebay_model::{ShardMap, ViewState};
use forebay_service::auth::Binding;
use forebay_service::{Client, Problem};
use forebay_shard::read::{OtherSide, Scope, Sight, Subject, Unbound};
use http::request::Parts;

use crate::app::App;

/// What handlers share, behind the door.
#[derive(Clone)]
pub(crate) struct Closed(App);

/// Who reads, and what that client may see.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) app: App,
    pub(crate) scope: Scope,
}

/// Who looks at the system as a whole.
pub(crate) struct Overview {
    pub(crate) app: App,
    pub(crate) unbound: Unbound,
}

impl Closed {
    pub(crate) fn new(app: App) -> Self {
        Self(app)
    }
}

impl FromRequestParts<Closed> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, Closed(app): &Closed) -> Result<Self, Problem> {
        let client = Client::from_request_parts(parts, app).await?;
        Ok(Self { scope: scope_of(&client, app)?, app: app.clone() })
    }
}

impl FromRequestParts<Closed> for Overview {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, closed: &Closed) -> Result<Self, Problem> {
        let Reader { app, scope } = Reader::from_request_parts(parts, closed).await?;
        let refusal = || Problem::forbidden("who is bound, or asks for a tenant, does not see the system as a whole");
        Ok(Self { unbound: scope.unbound().ok_or_else(refusal)?, app })
    }
}

/// What a client sees of the tenant that its request is about.
#[expect(clippy::disallowed_methods, reason = "this is where the scope of a request is made")]
fn scope_of(client: &Client, app: &App) -> Result<Scope, Problem> {
    let views = || Ok(app.map()?.settings().views.in_force().clone());
    let sight = match client.binding(views)? {
        None => Sight::All,
        Some(Binding::Customer(customer_id)) => Sight::Customer(customer_id.clone()),
        Some(Binding::Key { view, key }) => {
            let map = app.map()?;
            let found = map.settings().views.in_force().iter().find(|found| found.spec.name() == view);
            let view = found.ok_or_else(|| {
                Problem::forbidden(format!(
                    "the client is bound to a key of the view {view}, and there is no such view"
                ))
            })?;
            Sight::Key { view: view.id, key: key.clone() }
        }
    };
    Ok(Scope::new(client.tenant().clone(), sight))
}

/// What a client is told that asks by what it is not bound to. Whether there is anything does not matter.
pub(crate) fn other_side(_: OtherSide) -> Problem {
    Problem::forbidden(
        "a client that is bound to a customer reads no views, and one that is bound to a view no customers",
    )
}

/// Whether what is read is of a view that is building.
pub(crate) fn is_building(map: &ShardMap, subject: Option<&Subject>) -> bool {
    let Some(Subject::View { view, .. }) = subject else { return false };
    map.settings().views.get(*view).is_some_and(|view| view.state == ViewState::Building)
}
