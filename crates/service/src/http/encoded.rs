//! Answers in gzip or zstd, where the client takes them.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures::future::Either;
use http::{Extensions, HeaderMap, Method, StatusCode, Version, header};
use tower::{Layer, Service};
use tower_http::CompressionLevel;
use tower_http::compression::predicate::{And, Predicate, SizeAbove};
use tower_http::compression::{self, Compression, CompressionBody, CompressionLayer};

/// What is smaller gains nothing.
const BYTES_MIN: u16 = 1024;

/// Text of some length. A stream has no length that is known, and is worth it.
type WorthIt = And<SizeAbove, ByHead>;
type ByHead = fn(StatusCode, Version, &HeaderMap, &Extensions) -> bool;

/// A layer that encodes answers as their clients like it. Where a client says nothing of it, nothing is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encode;

/// A service under [`Encode`].
#[derive(Clone)]
pub(crate) struct Encoded<S>(Compression<S, WorthIt>);

impl<S> Layer<S> for Encode {
    type Service = Encoded<S>;

    fn layer(&self, inner: S) -> Encoded<S> {
        // Answers are made while somebody waits for them.
        let layer = CompressionLayer::new().quality(CompressionLevel::Fastest);
        Encoded(layer.compress_when(SizeAbove::new(BYTES_MIN).and(is_text as ByHead)).layer(inner))
    }
}

impl<S> Service<Request> for Encoded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, Encoding<S::Future>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.get_mut().poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The answer to HEAD has no body that could be encoded.
        if !request.headers().contains_key(header::ACCEPT_ENCODING) || request.method() == Method::HEAD {
            return Either::Left(self.0.get_mut().call(request));
        }
        Either::Right(Encoding(Box::pin(self.0.call(request))))
    }
}

/// An answer that will be encoded.
pub(crate) struct Encoding<F>(Pin<Box<compression::ResponseFuture<F, WorthIt>>>);

impl<F> Future for Encoding<F>
where
    F: Future<Output = Result<Response, Infallible>>,
{
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let response: Response<CompressionBody<Body>> = ready!(self.0.as_mut().poll(context))?;
        Poll::Ready(Ok(response.map(Body::new)))
    }
}

/// Parquet has its own compression.
fn is_text(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.starts_with("text/") || media_type.ends_with("json")
}
