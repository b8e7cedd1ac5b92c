//! A steady stream of orders from several clients, each order written down before it is sent.

pub mod answers;
pub mod ledger;
pub mod maker;
pub mod reads;

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use forebay_api::problem::NoMembers;
use forebay_api::{AcceptedOrder, BatchReport, Code, Problem};
use forebay_model::ShardMap;
use forebay_model::bucket::Hash;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Client;
use serde::Deserialize;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use answers::{Answer, Answers};
use ledger::{Accepted, Ledger, Outcome};
use maker::{Made, Maker};

/// A client that has waited this long gives up. It is longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(25);
/// Clients at the same time, each with one request at a time.
pub const CLIENTS: usize = 8;
/// What a system for tests most often has.
pub const SHARDS: NonZeroU16 = NonZeroU16::new(3).unwrap();
/// Requests that a client keeps to send again.
const AGAIN_MAX: usize = 64;

/// How orders are sent.
#[derive(Clone, Debug)]
pub struct LoadSettings {
    /// Clients at the same time.
    pub clients: usize,
    /// The time from one request of a client to its next one, unless the answer takes longer.
    pub every: Duration,
    /// Whether every request is sent twice.
    pub is_doubled: bool,
    /// Another seed sends other orders.
    pub seed: u64,
    /// How many shards the system has.
    pub shards: NonZeroU16,
}

/// Clients at work. They stop when this goes.
#[derive(Debug)]
pub struct Load {
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Result<()>>>,
}

/// What is sent as one request, the same each time.
#[derive(Clone, Debug)]
struct Request {
    orders: Vec<Made>,
    body: String,
}

struct Sender {
    http: Client,
    ingest: String,
    ledger: Arc<Ledger>,
    answers: Arc<Answers>,
    maker: Maker,
    rng: StdRng,
    again: Vec<Request>,
    settings: LoadSettings,
    /// The map that a system begins with.
    map: ShardMap,
}

impl LoadSettings {
    /// A load that leaves the machine time for everything else.
    pub fn steady(seed: u64) -> Self {
        Self { clients: CLIENTS, every: Duration::from_millis(60), is_doubled: false, seed, shards: SHARDS }
    }
}

impl Load {
    /// Begins to send to that ingest.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn start(ingest: &str, ledger: &Arc<Ledger>, answers: &Arc<Answers>, settings: &LoadSettings) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut clients = Vec::new();
        for number in 0..settings.clients {
            let mut rng = StdRng::seed_from_u64(settings.seed.wrapping_add(number as u64));
            let maker = Maker::new(format!("{:x}.{number}", settings.seed), StdRng::from_rng(&mut rng));
            let sender = Sender {
                http: Client::builder().timeout(PATIENCE).build()?,
                ingest: ingest.to_owned(),
                ledger: ledger.clone(),
                answers: answers.clone(),
                maker,
                rng,
                again: Vec::new(),
                settings: settings.clone(),
                map: ShardMap::even(settings.shards, Hash::Md5),
            };
            clients.push(tokio::spawn(sender.run(is_over.clone())));
        }
        Ok(Self { is_over, clients })
    }

    /// Sends no more, and waits for the answers to what was sent.
    ///
    /// # Errors
    /// Where the ledger could not be written.
    pub async fn stop(mut self) -> Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        for client in std::mem::take(&mut self.clients) {
            client.await.context("a client of the load failed")??;
        }
        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.clients.iter().for_each(JoinHandle::abort);
    }
}

impl Sender {
    async fn run(mut self, is_over: Arc<AtomicBool>) -> Result<()> {
        let mut tick = tokio::time::interval(self.settings.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !is_over.load(Ordering::Relaxed) {
            tick.tick().await;
            let request = match self.again.pop() {
                Some(request) if self.rng.random_ratio(1, 2) => request,
                _ => self.request(),
            };
            self.ledger.sending(&request.orders)?;
            let mut outcome = self.send(&request).await?;
            if self.settings.is_doubled {
                outcome = outcome.max(self.send(&request).await?);
            }
            // An order whose answer was lost may be sent again at any time, and half of them are.
            if outcome == Outcome::Unknown && self.again.len() < AGAIN_MAX && self.rng.random_ratio(1, 2) {
                self.again.push(request);
            }
        }
        Ok(())
    }

    fn request(&mut self) -> Request {
        let count = if self.rng.random_ratio(1, 5) { self.rng.random_range(2..12) } else { 1 };
        // A batch has ids, so that its lines are known one by one; so have most single orders.
        let has_id = count > 1 || self.rng.random_ratio(4, 5);
        let orders: Vec<Made> = (0..count).map(|_| self.maker.make(has_id)).collect();
        let lines: Vec<String> = orders.iter().map(|made| made.json.to_string()).collect();
        Request { orders, body: lines.join("\n") }
    }

    /// Sends it once. The outcome is that of the order that came off worst.
    async fn send(&mut self, request: &Request) -> Result<Outcome> {
        let is_single = request.orders.len() == 1;
        let (path, kind) = if is_single { ("", "application/json") } else { ("/batch", "application/x-ndjson") };
        let question = self.answers.ask();
        let asked = question.asked;
        let post = self.http.post(format!("{}/v1/orders{path}", self.ingest)).header("content-type", kind);
        let post = post.header("idempotency-key", &request.orders[0].mark).body(request.body.clone());
        let mut has_retry_after = false;
        let answer = match post.send().await {
            Ok(answer) => {
                let status = answer.status().as_u16();
                has_retry_after = answer.headers().contains_key("retry-after");
                answer.json::<Value>().await.map(|body| (status, body))
            }
            Err(error) => Err(error),
        };
        let (status, is_unreachable) = match &answer {
            Ok((status, _)) => (Some(*status), false),
            Err(error) => (None, error.is_connect()),
        };
        let body = answer.ok().map_or(Value::Null, |(_, body)| body);
        let (orders, answered) = (request.orders.len(), Instant::now());
        let shards = shards_of(&request.orders, &self.map);
        let answer = Answer { asked, answered, status, is_unreachable, shards, has_retry_after, orders };
        self.answers.note(&question, answer);
        if is_unreachable { self.settle(request, |_| Outcome::Refused) } else { self.book(request, status, &body) }
    }

    fn book(&self, request: &Request, status: Option<u16>, body: &Value) -> Result<Outcome> {
        let is_single = request.orders.len() == 1;
        if let (Some(202), true) = (status, is_single) {
            self.note_accepted(&request.orders[0], body)?;
        }
        // Of a batch that was cut short, the leading lines are settled; the rest may be logged or not.
        let BatchReport { errors, settled_lines, .. } = BatchReport::deserialize(body).unwrap_or_default();
        let settled = settled_lines.unwrap_or_default();
        let rejected: Vec<u64> = errors.iter().map(|error| error.line).collect();
        let code = Problem::<NoMembers>::deserialize(body).ok().map(|problem| problem.code);
        self.settle(request, |line| match status {
            Some(202) if rejected.contains(&line) => Outcome::Refused,
            Some(202) => Outcome::Accepted,
            Some(503) if line <= settled && !rejected.contains(&line) => Outcome::Accepted,
            Some(503) if is_single && code != Some(Code::LogUnreachable) => Outcome::Refused,
            Some(400..=499) => Outcome::Refused,
            _ => Outcome::Unknown,
        })
    }

    fn note_accepted(&self, made: &Made, body: &Value) -> Result<()> {
        let AcceptedOrder { order_id, shard, receipt, .. } = AcceptedOrder::deserialize(body).context("a 202")?;
        let (customer_id, shard) = (made.customer_id.clone(), shard.0.into());
        self.ledger.note_accepted(Accepted { customer_id, order_id, shard, receipt });
        Ok(())
    }

    fn settle(&self, request: &Request, outcome: impl Fn(u64) -> Outcome) -> Result<Outcome> {
        let mut worst = Outcome::Accepted;
        for (line, made) in (1..).zip(&request.orders) {
            let outcome = outcome(line);
            self.ledger.settle(&made.mark, outcome)?;
            if outcome == Outcome::Unknown || worst == Outcome::Accepted {
                worst = outcome;
            }
        }
        Ok(worst)
    }
}

/// The shards that the orders of a request are logged for. Those that something is derived for have no part in the answer.
fn shards_of(orders: &[Made], map: &ShardMap) -> Vec<usize> {
    let shards: BTreeSet<usize> = orders.iter().filter_map(|made| made.shard(map)).collect();
    shards.into_iter().collect()
}
