//! Sends one request and reads its answer.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use forebay_api::header;
use forebay_service::BadSetting;
use forebay_service::http::is_this_machine;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;

use crate::delivery::answer::Reply;
use crate::source::input::name::SourceName;

/// A peer that is not there any more is noticed after about this time.
const PEER_GONE: Duration = Duration::from_secs(20);

/// A client of ingest. Clones share their connections.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    batch: Url,
    token: Option<String>,
    /// Ids that ingest derives for records of standard input are this run's own.
    run: u64,
}

/// A part of a file, as one request.
pub(crate) struct BatchRequest {
    pub(crate) body: Bytes,
    /// A name for the file's contents; nothing where it cannot be read again.
    pub(crate) source_name: Option<SourceName>,
    /// How many records of the file stand before it.
    pub(crate) start: u64,
}

impl Client {
    /// A client of the ingest at that address.
    ///
    /// # Errors
    /// [`BadSetting`] where the address is none.
    pub(crate) fn new(to: &str, token: Option<String>) -> Result<Self> {
        let batch = service_url("--to", to, &["v1", "orders", "batch"])?;
        let http = http_client("--to", &batch)?;
        Ok(Self { http, batch, token, run: run_number() })
    }

    /// Sends a part of a file.
    pub(crate) async fn send(&self, part: BatchRequest) -> Reply {
        let source = part.source_name.map_or_else(|| format!("run-{:016x}", self.run), |name| name.to_string());
        let mut request = self
            .http
            .post(self.batch.clone())
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header(header::IDEMPOTENCY_KEY, source)
            .header(header::FIRST_LINE, part.start + 1)
            .body(part.body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answered = async {
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, response.bytes().await?))
        };
        match answered.await {
            Ok((status, headers, body)) => Reply::of(status, &headers, &body),
            Err(error) => Reply::Lost {
                what: format!("no answer from {}: {}", self.origin(), innermost(&error)),
                was_sent: !error.is_connect(),
            },
        }
    }

    fn origin(&self) -> String {
        self.batch.origin().ascii_serialization()
    }
}

/// The address of something of a service, where the setting `flag` gives the service's; without a scheme it is HTTP.
///
/// # Errors
/// [`BadSetting`] where that is none.
pub(crate) fn service_url(flag: &str, service: &str, path: &[&str]) -> Result<Url, BadSetting> {
    let bad = |reason: &str| BadSetting::new(format!("{flag} {service:?}: {reason}"));
    let scheme = if service.contains("://") { "" } else { "http://" };
    let mut url = Url::parse(&format!("{scheme}{service}")).map_err(|error| bad(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(bad("expected an address such as http://127.0.0.1:8080"));
    }
    url.path_segments_mut().map_err(|()| bad("it cannot have a path"))?.pop_if_empty().extend(path);
    Ok(url)
}

/// What talks to the service at that address.
///
/// # Errors
/// [`BadSetting`] where the machine cannot.
pub(crate) fn http_client(flag: &str, url: &Url) -> Result<reqwest::Client, BadSetting> {
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
    builder.build().map_err(|error| BadSetting::new(format!("{flag} {:?}: {}", url.as_str(), innermost(&error))))
}

/// A proxy of the environment has no business between two programs of one machine.
fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    is_this_machine(host)
}

/// The cause of causes: the outer ones only say that a request failed.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// A number that no other run has.
fn run_number() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
