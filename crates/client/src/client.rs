//! The services' addresses, and single requests.

use std::time::Duration;

use forebay_api::{Parameter, ReceiptReport, Role, Welcome, header};
use reqwest::header::CONTENT_TYPE;

use crate::answer::Answer;
use crate::batch::{Batch, BatchAnswer};
use crate::service::{BadAddress, Service};

/// How long an answer may take that is not waited for on purpose.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long a batch may be slowed down before it is answered: a connection that takes nothing for 20 s is given up.
const SLOWED_MAX: &str = "wait=5";
/// For how long there may be no progress where nothing else is said.
const PATIENCE: Duration = Duration::from_mins(1);

/// A client of Forebay. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) ingest: Service,
    pub(crate) query: Service,
    pub(crate) patience: Duration,
}

impl Client {
    /// A client of all that is at that address, as of `forebay serve`, such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// [`BadAddress`].
    pub fn new(address: &str) -> Result<Self, BadAddress> {
        let service = Service::new(address)?;
        Ok(Self { ingest: service.clone(), query: service, patience: PATIENCE })
    }

    /// The same, where what reads has an address of its own.
    ///
    /// # Errors
    /// [`BadAddress`].
    pub fn reading_from(self, query: &str) -> Result<Self, BadAddress> {
        Ok(Self { query: Service::new(query)?, ..self })
    }

    /// The same, with a token of the clients file.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        let Self { ingest, query, patience } = self;
        Self { ingest: ingest.with_token(token), query: query.with_token(token), patience }
    }

    /// The same, of which everything is about that tenant, where several share the system.
    #[must_use]
    pub fn for_tenant(self, tenant: &str) -> Self {
        let Self { ingest, query, patience } = self;
        Self { ingest: ingest.for_tenant(tenant), query: query.for_tenant(tenant), patience }
    }

    /// The same, where something is tried for that long without progress; a minute, where nothing is said.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Sends a batch, once.
    pub async fn send(&self, batch: Batch<'_>) -> BatchAnswer {
        let mut request = self
            .ingest
            .post(["v1", batch.kind.as_str(), "batch"])
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header(header::FIRST_LINE, batch.first_line)
            .header(header::PREFER, SLOWED_MAX)
            .body(batch.lines);
        if let Some(source) = batch.source {
            request = request.header(header::IDEMPOTENCY_KEY, source);
        }
        BatchAnswer::of(self.ingest.response(request).await)
    }

    /// Asks what the service is that records are sent to or, with [`Role::Query`], that they are read from; nothing where it does not say so.
    pub async fn welcome(&self, of: Role) -> Option<Welcome> {
        let service = self.service(of);
        match Answer::of(service.response(service.get([], []).timeout(ANSWER_MAX)).await) {
            Answer::Given(welcome) => Some(welcome),
            _ => None,
        }
    }

    /// The address of that service.
    pub fn address(&self, of: Role) -> &str {
        self.service(of).address()
    }

    fn service(&self, of: Role) -> &Service {
        if of == Role::Query { &self.query } else { &self.ingest }
    }

    /// Asks what became of a request, once. The service waits up to that long until that is decided.
    pub async fn receipt(&self, receipt: &str, wait: Duration) -> Answer<ReceiptReport> {
        let wait_ms = wait.as_millis().to_string();
        let request = self.query.get(["v1", "receipts", receipt], [(Parameter::WaitMs, wait_ms.as_str())]);
        Answer::of(self.query.response(request.timeout(ANSWER_MAX + wait)).await)
    }
}
