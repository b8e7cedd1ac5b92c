//! Clients that read back, with its receipt, what was just accepted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Client;
use tokio::task::JoinHandle;

use super::answers::{Answer, Answers};
use super::ledger::Ledger;

/// Readers at the same time, each with one question at a time.
pub const READERS: usize = 3;
const EVERY: Duration = Duration::from_millis(40);
/// A reader that has waited this long gives up. It is longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long the query service waits for a receipt.
const WAIT_MS: u32 = 5000;

/// Readers at work. They stop when this goes.
#[derive(Debug)]
pub struct Reads(Vec<JoinHandle<()>>);

impl Reads {
    /// Begins to read from that query service what the ledger has accepted.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn start(query: &str, ledger: &Arc<Ledger>, answers: &Arc<Answers>, seed: u64) -> Result<Self> {
        let http = Client::builder().timeout(PATIENCE).build()?;
        let start = |number| {
            let rng = StdRng::seed_from_u64(seed.wrapping_sub(number as u64 + 1));
            tokio::spawn(read(http.clone(), query.to_owned(), ledger.clone(), answers.clone(), rng))
        };
        Ok(Self((0..READERS).map(start).collect()))
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

async fn read(http: Client, query: String, ledger: Arc<Ledger>, answers: Arc<Answers>, mut rng: StdRng) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(order) = ledger.recently_accepted(rng.random_range(0..1 << 16)) else { continue };
        let path = format!("/v1/customers/{}/orders/{}", order.customer_id, order.order_id);
        let question = answers.ask();
        let get = http.get(format!("{query}{path}?after={}&wait_ms={WAIT_MS}", order.receipt)).send().await;
        let answer = Answer {
            asked: question.asked,
            answered: Instant::now(),
            status: get.as_ref().ok().map(|answer| answer.status().as_u16()),
            is_unreachable: get.is_err_and(|error| error.is_connect()),
            shards: vec![order.shard],
            has_retry_after: false,
            orders: 1,
        };
        answers.note(&question, answer);
    }
}
