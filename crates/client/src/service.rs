//! One of Forebay's services: its address, its connections, and what came back from there.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_api::header::TENANT;
use forebay_api::{Parameter, Role};
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode, Url};

/// A peer that is not there any more is noticed after about this time.
const PEER_GONE: Duration = Duration::from_secs(20);

/// The address is not one that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address:?}: {reason}")]
pub struct BadAddress {
    address: String,
    reason: String,
}

/// There is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer from {origin}: {reason}")]
pub struct Lost {
    origin: String,
    reason: String,
    /// Whether the request was sent, so that nothing is known of what has become of it.
    pub was_sent: bool,
}

/// What came back.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A service. Clones share their connections.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    http: reqwest::Client,
    url: Url,
    token: Option<Arc<str>>,
    tenant: Option<Arc<str>>,
}

impl Service {
    /// The service at that address; without a scheme it is HTTP.
    pub(crate) fn new(address: &str) -> Result<Self, BadAddress> {
        let bad = |reason: String| BadAddress { address: address.to_owned(), reason };
        let scheme = if address.contains("://") { "" } else { "http://" };
        let url = Url::parse(&format!("{scheme}{address}")).map_err(|error| bad(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(bad(format!("expected an address such as {}", Role::Ingest.url_default())));
        }
        let http = connections(&url).map_err(|error| bad(innermost(&error)))?;
        Ok(Self { http, url, token: None, tenant: None })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.into());
        self
    }

    pub(crate) fn for_tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// A question for what lies there under these names, with these parameters.
    pub(crate) fn get<'t>(
        &self,
        path: impl IntoIterator<Item = &'t str>,
        parameters: impl IntoIterator<Item = (Parameter, &'t str)>,
    ) -> RequestBuilder {
        let mut url = self.url(path);
        for (parameter, value) in parameters {
            url.query_pairs_mut().append_pair(parameter.name(), value);
        }
        self.as_client(self.http.get(url))
    }

    /// Something for what lies there under these names.
    pub(crate) fn post<'t>(&self, path: impl IntoIterator<Item = &'t str>) -> RequestBuilder {
        self.as_client(self.http.post(self.url(path)))
    }

    fn url<'t>(&self, path: impl IntoIterator<Item = &'t str>) -> Url {
        let mut url = self.url.clone();
        // One of HTTP always can have a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    fn as_client(&self, request: RequestBuilder) -> RequestBuilder {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        match &self.tenant {
            Some(tenant) => request.header(TENANT, &**tenant),
            None => request,
        }
    }

    /// Sends a request and reads what comes back.
    pub(crate) async fn response(&self, request: RequestBuilder) -> Result<Response, Lost> {
        let answered = async {
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok(Response { status, headers, body: response.bytes().await? })
        };
        answered.await.map_err(|error: reqwest::Error| Lost {
            origin: self.url.origin().ascii_serialization(),
            reason: innermost(&error),
            was_sent: !error.is_connect(),
        })
    }
}

fn connections(url: &Url) -> Result<reqwest::Client, reqwest::Error> {
    // Fails where the program has one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("forebay/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(5))
        .tcp_keepalive(PEER_GONE / 4)
        .tcp_keepalive_interval(PEER_GONE / 4)
        .tcp_keepalive_retries(3)
        .tcp_user_timeout(PEER_GONE)
        .http1_only();
    if is_local(url) {
        builder = builder.no_proxy();
    }
    builder.build()
}

/// A proxy of the environment has no business between two programs of one machine.
fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The cause of causes: the outer ones only say that a request failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
