//! That a request was let in, for as long as it is answered: an answer without an end must not outlive what its client came in by.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts};
use forebay_api::header::TENANT;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use tokio::time::sleep;

use super::Guard;
use crate::auth::Client;
use crate::http::peer::Peer;
use crate::problem::Problem;

/// How often it is looked whether it still holds: as often as the clients file is.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a request was let in by. An extractor for handlers of routes behind a [`Guard`](super::Guard).
#[derive(Debug, Clone)]
pub struct Admission {
    guard: Arc<Guard>,
    client: Client,
    /// By which headers it was let in.
    headers: HeaderMap,
    peer: Peer,
}

impl Admission {
    /// Waits until the client would not come in any more, or not as the same: its key, certificate or the key of its token's issuer is gone,
    /// its token has expired, it has lost the right, or it is bound otherwise.
    pub async fn ended(&self) {
        while self.holds() {
            sleep(LOOK_EVERY).await;
        }
    }

    fn holds(&self) -> bool {
        let now = self.guard.admit_again(&self.headers, &self.peer);
        now.is_ok_and(|client| client.tenant == self.client.tenant && client.binding == self.client.binding)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admission {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let client = Client::from_request_parts(parts, state).await?;
        let (guard, peer) = (parts.extensions.get::<Arc<Guard>>(), parts.extensions.get::<ConnectInfo<Peer>>());
        let (Some(guard), Some(ConnectInfo(peer))) = (guard, peer) else {
            return Err(Problem::internal("this route is not behind a guard"));
        };
        let sent = |name: HeaderName| parts.headers.get(&name).map(|sent| (name, sent.clone()));
        let headers = [AUTHORIZATION, HeaderName::from_static(TENANT)].into_iter().filter_map(sent).collect();
        Ok(Self { guard: Arc::clone(guard), client, headers, peer: peer.clone() })
    }
}
