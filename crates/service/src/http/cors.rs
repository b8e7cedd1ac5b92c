//! Pages of other origins, where they are let in (<https://fetch.spec.whatwg.org/#http-cors-protocol>).

use std::convert::Infallible;
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use forebay_api::header::{ANSWERED, SENT};
use futures::future::Either;
use http::{HeaderName, HeaderValue, Method, Uri, header};
use tower::{Layer, Service};
use tower_http::cors::{self, AllowOrigin, CorsLayer};

/// How long a browser need not ask again.
const LASTS: Duration = Duration::from_hours(1);

/// The origins whose pages may ask, and read the answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Those of everybody.
    Any,
    /// These.
    Of(Vec<HeaderValue>),
}

/// A layer that lets pages of some origins in.
#[derive(Debug, Clone)]
pub(crate) struct Cors(CorsLayer);

/// A service under [`Cors`].
#[derive(Debug, Clone)]
pub(crate) struct WithCors<S>(cors::Cors<S>);

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let origin = |text: &str| {
            let text = text.trim();
            let is_one = text.parse::<Uri>().is_ok_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https"))
                    && uri.host().is_some()
                    && !text.ends_with('/')
                    && uri.path() == "/"
            });
            let value = HeaderValue::from_str(text).ok().filter(|_| is_one);
            value.ok_or_else(|| format!("{text:?} is not an origin, such as https://shop.example"))
        };
        text.split(',').map(origin).collect::<Result<_, _>>().map(Self::Of)
    }
}

impl Cors {
    pub(crate) fn new(origins: &Origins) -> Self {
        let origins = match origins {
            Origins::Any => AllowOrigin::any(),
            Origins::Of(origins) => AllowOrigin::list(origins.clone()),
        };
        let names = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect::<Vec<_>>();
        let layer = CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::HEAD, Method::POST])
            .allow_headers(names(SENT))
            .expose_headers(names(ANSWERED))
            .max_age(LASTS);
        Self(layer)
    }
}

impl<S> Layer<S> for Cors {
    type Service = WithCors<S>;

    fn layer(&self, inner: S) -> WithCors<S> {
        WithCors(self.0.layer(inner))
    }
}

impl<S> Service<Request> for WithCors<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, cors::ResponseFuture<S::Future>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.get_mut().poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // Not every OPTIONS is a browser's question whether it may ask.
        if request.method() == Method::OPTIONS && !request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return Either::Left(self.0.get_mut().call(request));
        }
        Either::Right(self.0.call(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        assert_eq!("*".parse(), Ok(Origins::Any));
        let two =
            Origins::Of(vec![HeaderValue::from_static("https://a.example"), HeaderValue::from_static("http://b:8080")]);
        assert_eq!("https://a.example, http://b:8080".parse(), Ok(two));
        for text in ["", "a.example", "https://a.example/", "https://a.example/x", "ftp://a.example", "https://a,*"] {
            assert!(text.parse::<Origins>().is_err(), "{text}");
        }
    }
}
