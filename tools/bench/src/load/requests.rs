//! The clients that rows use.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use bytes::Bytes;
use tokio::time::Instant;

use super::{Client, Connection};
use crate::dataset::field;

/// Posts one order after the other, or one event, each of which only one of several clients posts.
pub struct Posts {
    connection: Connection,
    orders: Orders,
    are_events: bool,
}

/// The orders, or events, that clients post: lines of JSON, each given once until all were given.
#[derive(Clone)]
pub struct Orders {
    lines: Arc<Vec<Bytes>>,
    next: Arc<AtomicU64>,
}

impl Orders {
    /// Begins with the first line.
    pub fn new(lines: Vec<Bytes>) -> Self {
        Self { lines: Arc::new(lines), next: Arc::default() }
    }

    /// The next line; behind the last comes the first.
    pub fn next(&self) -> Bytes {
        let place = self.next.fetch_add(1, Ordering::Relaxed) % self.lines.len() as u64;
        self.lines[place as usize].clone()
    }
}

impl Posts {
    /// Clients that post to a port of this machine.
    ///
    /// # Errors
    /// Where nobody listens.
    pub async fn to(port: u16, clients: usize, orders: &Orders) -> Result<Vec<Self>> {
        Self::open(port, clients, orders, false).await
    }

    /// The same, of events.
    ///
    /// # Errors
    /// Where nobody listens.
    pub async fn of_events(port: u16, clients: usize, events: &Orders) -> Result<Vec<Self>> {
        Self::open(port, clients, events, true).await
    }

    async fn open(port: u16, clients: usize, orders: &Orders, are_events: bool) -> Result<Vec<Self>> {
        let mut posts = Vec::new();
        for _ in 0..clients {
            posts.push(Self { connection: Connection::open(port).await?, orders: orders.clone(), are_events });
        }
        Ok(posts)
    }
}

impl Client for Posts {
    async fn once(&mut self, _number: u64, _begun: Instant) -> Result<()> {
        let line = self.orders.next();
        let order_id = if self.are_events { field(&line, "order_id") } else { None };
        let path = order_id.map_or(Cow::Borrowed("/v1/orders"), |id| format!("/v1/orders/{id}/events").into());
        let answer = self.connection.post(&path, line.clone()).await?;
        ensure!(answer.status == 202, "{path} was answered with {}: {:?}", answer.status, answer.body);
        Ok(())
    }
}

/// Which path the thing of a number asks for.
pub type Paths = Arc<dyn Fn(u64) -> String + Send + Sync>;

/// One answer in N may come from elsewhere than it should: Redis is passed over when it is slow for a moment.
const OTHERS_PART: u64 = 20;
/// And this number in any case.
const OTHERS_MIN: u64 = 20;

/// Asks for one path after the other.
pub struct Gets {
    connection: Connection,
    paths: Paths,
    /// What the header `Forebay-Cache` may say; empty for anything.
    caches: &'static [&'static str],
    /// How many answers of all clients came from elsewhere.
    others: Arc<AtomicU64>,
}

impl Gets {
    /// Clients that ask a port of this machine, and want their answers to come from one of these caches.
    ///
    /// # Errors
    /// Where nobody listens.
    pub async fn from(port: u16, clients: usize, paths: &Paths, caches: &'static [&'static str]) -> Result<Vec<Self>> {
        let (mut gets, others) = (Vec::new(), Arc::new(AtomicU64::new(0)));
        for _ in 0..clients {
            let connection = Connection::open(port).await?;
            gets.push(Self { connection, paths: Arc::clone(paths), caches, others: Arc::clone(&others) });
        }
        Ok(gets)
    }
}

impl Client for Gets {
    async fn once(&mut self, number: u64, _begun: Instant) -> Result<()> {
        let path = (self.paths)(number);
        let answer = self.connection.get(&path).await?;
        ensure!(answer.status == 200, "{path} was answered with {}: {:?}", answer.status, answer.body);
        let from = answer.headers.get("forebay-cache").and_then(|from| from.to_str().ok()).unwrap_or_default();
        if !self.caches.is_empty() && !self.caches.contains(&from) {
            let others = self.others.fetch_add(1, Ordering::Relaxed);
            let is_rare = others <= OTHERS_MIN.max(number / OTHERS_PART);
            ensure!(is_rare, "{path} came from `{from}` and not from {:?}, as did {others} others", self.caches);
        }
        Ok(())
    }
}
