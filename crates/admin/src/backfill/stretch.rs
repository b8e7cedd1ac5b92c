//! What was published and is not known to be stored.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use forebay_log::Log;
use forebay_model::{Position, StreamId};
use forebay_shard::read::order_key::OrderKey;
use forebay_shard::{ShardPool, StreamPosition};
use tokio::time::sleep;

use crate::control::pool_of;

const POLL: Duration = Duration::from_millis(50);

/// A stretch of orders whose facts were published.
#[derive(Debug)]
pub(super) struct Stretch {
    /// The last of the orders; `None` where there is none.
    pub(super) end: Option<OrderKey>,
    pub(super) orders: u64,
    pub(super) facts: u64,
    /// The last frame in each derived stream.
    last: BTreeMap<StreamId, Position>,
    /// How often the connection had been lost before.
    losses: u64,
}

impl Stretch {
    pub(super) fn begin(log: &Log) -> Self {
        Self { end: None, orders: 0, facts: 0, last: BTreeMap::new(), losses: log.losses() }
    }

    /// What follows from further orders, up to that one, lies there.
    pub(super) fn note(&mut self, end: OrderKey, orders: u64, facts: u64, lie: Vec<(StreamId, Position)>) {
        self.end = Some(end);
        self.orders += orders;
        self.facts += facts;
        for (stream, position) in lie {
            let last = self.last.entry(stream).or_insert(position);
            if position.incarnation != last.incarnation || position.seq > last.seq {
                *last = position;
            }
        }
    }

    /// Waits until all of it is stored. `false` where that cannot be known: the connection was lost meanwhile, so that a stream may
    /// have lost its tail and taken other frames in its place, or a stream is another one now. Then it is to be published again.
    pub(super) async fn is_stored(&self, log: &Log, pools: &[ShardPool]) -> Result<bool> {
        for (&stream, &last) in &self.last {
            let pool = pool_of(pools, stream.shard)?;
            loop {
                // A shard that is away is waited for.
                let read = async { anyhow::Ok(StreamPosition::of(&mut *pool.acquire().await?, stream.kind).await?) };
                let at = read.await.ok().flatten().map(|stored| stored.position);
                if at.is_some_and(|at| at.covers(last)) {
                    break;
                }
                if self.losses != log.losses() || log.stream_state(stream).await?.incarnation != last.incarnation {
                    return Ok(false);
                }
                sleep(POLL).await;
            }
        }
        Ok(self.losses == log.losses())
    }
}
