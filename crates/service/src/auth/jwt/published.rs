//! Keys that the issuer publishes at an address.
//!
//! They are fetched every few minutes, and when a token names a key that is not among them. While that does not work, those that were
//! fetched last stay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{counter, gauge};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::key_set::{BYTES_MAX, KeySet};
use crate::health::Dependency;
use crate::telemetry::install_tls_provider;
use crate::telemetry::metrics::{JWKS_FETCHED, JWKS_FETCHES};

/// How often they are fetched.
const EVERY: Duration = Duration::from_mins(5);
const EVERY_AFTER_FAILURE: Duration = Duration::from_secs(15);
/// The least time between two attempts, whatever tokens come.
const APART: Duration = Duration::from_secs(5);
/// How long the issuer may take.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Requests that wait for keys that are not known.
const WAITING_MAX: usize = 1024;

/// Keys at an address.
#[derive(Debug)]
pub(crate) struct Published {
    url: Url,
    client: Client,
    now: watch::Sender<Option<Arc<KeySet>>>,
    /// How many attempts were begun, and the last that ended.
    begun: AtomicU64,
    ended: watch::Sender<u64>,
    wanted: Notify,
    waiting: Semaphore,
}

/// As many requests wait for newer keys as may.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TooManyWait;

impl Published {
    /// # Errors
    /// Where this machine has no authorities to trust.
    pub(super) fn new(url: Url) -> Result<Self, String> {
        install_tls_provider();
        let client = Client::builder()
            .timeout(ANSWER_MAX)
            // An address that leads elsewhere could lead anywhere.
            .redirect(Policy::none())
            .build()
            .map_err(|error| format!("--jwks cannot be fetched: {error}"))?;
        for result in ["ok", "failed"] {
            counter!(JWKS_FETCHES.name, "result" => result).increment(0);
        }
        Ok(Self {
            url,
            client,
            now: watch::Sender::new(None),
            begun: AtomicU64::new(0),
            ended: watch::Sender::new(0),
            wanted: Notify::new(),
            waiting: Semaphore::new(WAITING_MAX),
        })
    }

    pub(super) fn now(&self) -> Option<Arc<KeySet>> {
        self.now.borrow().clone()
    }

    /// Waits for an attempt that begins after this call, or for as long as two take: one that is under way may have read what was there
    /// before a key was put in. Where there are no keys, the first will do.
    pub(super) async fn renewed(&self) -> Result<(), TooManyWait> {
        let _one_of_them = self.waiting.try_acquire().map_err(|_| TooManyWait)?;
        let mut ended = self.ended.subscribe();
        let (before, has_keys) = (self.begun.load(Ordering::SeqCst), self.now().is_some());
        self.wanted.notify_one();
        let is_renewed = |&ended: &u64| ended > before || !has_keys && self.now().is_some();
        let _ = timeout(APART + 2 * ANSWER_MAX, ended.wait_for(is_renewed)).await;
        Ok(())
    }

    /// Fetches them again and again, until `stop`. The dependency is up from the first time on: what was fetched stays.
    pub(super) async fn follow(&self, dependency: &Dependency, stop: &CancellationToken) {
        stop.run_until_cancelled(self.keep(dependency)).await;
    }

    async fn keep(&self, dependency: &Dependency) {
        let mut failures = 0_u64;
        loop {
            let begin = Instant::now();
            let attempt = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let fetched = self.fetch().await.and_then(|text| self.take(&text));
            let result = if fetched.is_ok() { "ok" } else { "failed" };
            counter!(JWKS_FETCHES.name, "result" => result).increment(1);
            match fetched {
                Ok(()) => {
                    if failures > 0 {
                        info!(failures, "the key set can be fetched again");
                    }
                    failures = 0;
                    dependency.up();
                }
                Err(reason) => {
                    failures += 1;
                    self.note(&reason, failures, dependency);
                }
            }
            self.ended.send_replace(attempt);
            let every = if failures == 0 { EVERY } else { EVERY_AFTER_FAILURE };
            tokio::select! {
                () = sleep(every) => {}
                () = self.wanted.notified() => sleep_until(begin + APART).await,
            }
        }
    }

    /// The text at the address.
    async fn fetch(&self) -> Result<Vec<u8>, String> {
        let said = |error: reqwest::Error| {
            let error = error.without_url();
            std::error::Error::source(&error).map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
        };
        let mut answer = self.client.get(self.url.clone()).send().await.map_err(said)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("the answer is {}", answer.status()));
        }
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(said)? {
            if text.len() + chunk.len() > BYTES_MAX {
                return Err("the key set is larger than 1 MiB".to_owned());
            }
            text.extend_from_slice(&chunk);
        }
        Ok(text)
    }

    /// Puts keys in force that are others than those that are.
    fn take(&self, text: &[u8]) -> Result<(), String> {
        if !self.now().is_some_and(|keys| keys.is_of(text)) {
            let keys = KeySet::parse(text)?;
            keys.tell();
            self.now.send_replace(Some(Arc::new(keys)));
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        gauge!(JWKS_FETCHED.name).set(at.as_secs_f64());
        Ok(())
    }

    /// The first of several failures is news.
    fn note(&self, reason: &str, failures: u64, dependency: &Dependency) {
        if self.now().is_none() {
            dependency.down(reason);
        } else if failures == 1 {
            warn!(reason, url = %self.url, "the key set cannot be fetched: the keys of before stay in force");
        }
    }
}
