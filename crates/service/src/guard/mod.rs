//! The layer in front of routes that need a right: who has not got it does not pass; and that it still holds while a request is answered.

mod admission;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use forebay_api::Right;
use futures::FutureExt;
use futures::future::{BoxFuture, Either};
use http::request::Parts;
use http::{Extensions, HeaderMap};
use tower::{Layer, Service, ServiceExt};

use crate::auth::{Client, Clients, KeySource, Refusal, Tokens};
use crate::http::peer::Peer;
use crate::limit::Rates;
use crate::problem::Problem;

pub use admission::Admission;

/// Lets a request pass if its client has the right, and tells the handler who the client is. From [`Clients::guard`].
#[derive(Debug, Clone)]
pub struct Guard {
    clients: Clients,
    right: Right,
    rates: Option<Arc<Rates>>,
}

/// A service behind a [`Guard`].
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
    guard: Arc<Guard>,
}

impl Clients {
    /// A layer for what needs `right`.
    pub fn guard(&self, right: Right) -> Guard {
        Guard { clients: self.clone(), right, rates: None }
    }
}

impl Guard {
    /// The same, for requests that are limited: each takes one.
    #[must_use]
    pub fn limited(self, rates: Option<Arc<Rates>>) -> Self {
        Self { rates, ..self }
    }

    fn admit(&self, headers: &HeaderMap, extensions: &Extensions) -> Result<Client, Refusal> {
        let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<Peer>>() else {
            return Err(Problem::internal("the request came from nowhere").into());
        };
        let client = self.clients.admit(headers, peer, self.right, Tokens::client)?;
        if let Some(rates) = &self.rates {
            rates.take_one(&client)?;
        }
        Ok(client)
    }

    /// Tells the handler who was let in, and by whom.
    fn pass(self: &Arc<Self>, client: Client, extensions: &mut Extensions) {
        extensions.insert(client);
        extensions.insert(Arc::clone(self));
    }

    /// Who sends a request that was let in before, if it still may.
    pub(super) fn admit_again(&self, headers: &HeaderMap, peer: &Peer) -> Result<Client, Refusal> {
        self.clients.admit(headers, peer, self.right, Tokens::look)
    }

    /// The same, with keys of the issuer that are not older than the request.
    async fn admit_later(&self, head: &Parts, keys: &KeySource) -> Result<Client, Problem> {
        if keys.renewed().await.is_err() {
            return Err(Problem::not_ready("too many requests wait for newer keys of the issuer of their tokens"));
        }
        self.admit(&head.headers, &head.extensions).map_err(|refusal| match refusal {
            Refusal::Now(problem) | Refusal::Perhaps(problem, _) => problem,
        })
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, guard: Arc::new(self.clone()) }
    }
}

type Answer = Result<Response, Infallible>;

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, Either<Ready<Answer>, BoxFuture<'static, Answer>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match self.guard.admit(request.headers(), request.extensions()) {
            Ok(client) => {
                self.guard.pass(client, request.extensions_mut());
                Either::Left(self.inner.call(request))
            }
            Err(Refusal::Now(problem)) => Either::Right(Either::Left(ready(Ok(problem.into_response())))),
            Err(Refusal::Perhaps(_, keys)) => {
                let Self { inner, guard } = self.clone();
                Either::Right(Either::Right(call_later(inner, guard, request, keys).boxed()))
            }
        }
    }
}

async fn call_later<S>(inner: S, guard: Arc<Guard>, request: Request, keys: KeySource) -> Answer
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    let (mut head, body) = request.into_parts();
    match guard.admit_later(&head, &keys).await {
        Ok(client) => {
            guard.pass(client, &mut head.extensions);
            inner.oneshot(Request::from_parts(head, body)).await
        }
        Err(problem) => Ok(problem.into_response()),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let client = parts.extensions.get::<Self>().cloned();
        client.ok_or_else(|| Problem::internal("this route is not behind a guard"))
    }
}
