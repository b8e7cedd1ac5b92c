//! The layer in front of routes that need a right.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use forebay_api::Right;
use futures::future::Either;
use http::request::Parts;
use tower::{Layer, Service};

use super::client::Client;
use super::clients::Clients;
use crate::http::peer::Peer;
use crate::limit::Rates;
use crate::problem::Problem;

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
    guard: Guard,
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

    fn admit(&self, request: &Request) -> Result<Client, Problem> {
        let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<Peer>>() else {
            return Err(Problem::internal("the request came from nowhere"));
        };
        let client = self.clients.admit(request.headers(), peer, self.right)?;
        if let Some(rates) = &self.rates {
            rates.take_one(&client)?;
        }
        Ok(client)
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, guard: self.clone() }
    }
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match self.guard.admit(&request) {
            Ok(client) => {
                request.extensions_mut().insert(client);
                Either::Left(self.inner.call(request))
            }
            Err(problem) => Either::Right(ready(Ok(problem.into_response()))),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let client = parts.extensions.get::<Self>().cloned();
        client.ok_or_else(|| Problem::internal("this route is not behind a guard"))
    }
}
