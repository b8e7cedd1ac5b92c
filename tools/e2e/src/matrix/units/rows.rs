//! Somebody changes, drops or adds a row by SQL, on either side, while its bucket moves.

use std::time::Duration;

use anyhow::{Context, Result};
use forebay_model::{Bucket, ShardId, StreamKind};
use rand::RngExt;

use super::{begin, fill, must_be_equal, must_be_moved, note_sent_on, two_shards};
use crate::matrix::trial::Trial;

const ORDERS: usize = 3000;
const STORED_WITHIN: Duration = Duration::from_secs(30);

/// What is done to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Changed,
    Dropped,
    Added,
}

/// Where it is done, and so when: at the target before the source has released the bucket, and at the source when it releases it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Source,
    Target,
}

impl Deed {
    /// In the transaction in which the bucket's state changes there.
    fn sql(self, bucket: Bucket, order: &str) -> String {
        let of = format!("where bucket = {bucket} and order_id = '{order}'");
        match self {
            Self::Changed => format!("update orders set total = total + 1 {of};"),
            Self::Dropped => format!("create table taken as select * from orders {of}; delete from orders {of};"),
            Self::Added => format!(
                "create temporary table more on commit drop as select * from orders {of}; \
                 update more set order_id = order_id || ' more'; insert into orders select * from more;"
            ),
        }
    }
}

/// What can be done, and where. A row that is added at the source goes with its bucket, like any other that the source has.
const DEEDS: [(Side, Deed); 5] = [
    (Side::Source, Deed::Changed),
    (Side::Source, Deed::Dropped),
    (Side::Target, Deed::Changed),
    (Side::Target, Deed::Dropped),
    (Side::Target, Deed::Added),
];

/// Does each of these again and again. The bucket stays where it was, and the row is named, where the target has other rows than the source; what the
/// target lacks is copied to it.
pub(crate) async fn change(trial: &mut Trial) -> Result<()> {
    fill(trial, ORDERS).await?;
    let mut noticed = 0;
    let mut mended = 0;
    for number in 0..trial.span.moments() {
        let (side, deed) = DEEDS[number % DEEDS.len()];
        let is_copied = (side, deed) == (Side::Target, Deed::Dropped);
        let (from, to) = two_shards(trial);
        let (bucket, order) = some_order(trial, from).await?;
        let (at, state) = match side {
            Side::Source => (from, "released"),
            Side::Target => (to, "awaiting"),
        };
        spoil(trial, at, state, bucket, &deed.sql(bucket, &order)).await?;
        begin(trial, &[bucket], from, to).await?;
        if !must_be_moved(trial).await {
            return Ok(());
        }
        trial.injected += 1;
        let map = trial.system.stored_map().await?;
        let has = map.shard(StreamKind::Logged, bucket);
        let named = map.queue().stopped().iter().find(|stopped| stopped.unit.bucket() == bucket);
        let is_named = named.is_some_and(|stopped| stopped.rows.iter().any(|row| row.contains(&order)));
        if is_copied && has == to {
            mended += 1;
        } else if has == from && is_named {
            noticed += 1;
        } else {
            trial.add_finding(format!(
                "{deed:?} at the {side:?}: order {order} of bucket {bucket}, from shard {from} to {to}, now on {has}, named: {named:?}"
            ));
        }
        heal(trial, (side, deed), at, bucket, &order).await?;
    }
    note_sent_on(trial).await?;
    eprintln!("{} rows: {noticed} noticed and named, {mended} copied as they were at the source", trial.injected);
    must_be_equal(trial, "0-599").await
}

/// An order of a shard's, in a bucket that has not stopped before.
async fn some_order(trial: &mut Trial, shard: ShardId) -> Result<(Bucket, String)> {
    let number: f64 = trial.rng.random();
    let sql = format!(
        "select bucket || ' ' || order_id from orders where order_id like 'O-fill%' \
         order by md5(order_id || '{number}') limit 1"
    );
    let begun = std::time::Instant::now();
    loop {
        let row = trial.system.sql(usize::from(shard.0), &sql).await?;
        if let Some((bucket, order)) = row.trim().split_once(' ') {
            return Ok((Bucket::new(bucket.parse()?).context("a bucket")?, order.to_owned()));
        }
        anyhow::ensure!(begun.elapsed() < STORED_WITHIN, "shard {shard} has no order");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Does something when a bucket's state becomes that one.
async fn spoil(trial: &Trial, at: ShardId, state: &str, bucket: Bucket, deed: &str) -> Result<()> {
    let sql = format!(
        "create function spoil() returns trigger language plpgsql as $$ begin \
            if new.stream = 'logged' and new.bucket = {bucket} and new.said -> 'state' ? '{state}' \
                and (tg_op = 'INSERT' or not old.said -> 'state' ? '{state}') then {deed} end if; \
            return null; end $$; \
         create trigger spoil after insert or update on unit_owner for each row execute function spoil()"
    );
    trial.system.sql(usize::from(at.0), &sql).await.map(drop)
}

/// Puts everything back as it was. What a move has brought and taken away of rows that no log had is not in the counters.
async fn heal(trial: &Trial, (side, deed): (Side, Deed), at: ShardId, bucket: Bucket, order: &str) -> Result<()> {
    let run = async |shard: ShardId, sql: &str| trial.system.sql(usize::from(shard.0), sql).await;
    run(at, "drop trigger spoil on unit_owner; drop function spoil()").await?;
    let count = async |shard: ShardId, by: &str| {
        run(shard, &format!("update lane_tally set rows_cleaned = rows_cleaned {by} where lane = 'orders'")).await
    };
    match (side, deed) {
        (Side::Source, Deed::Changed) => {
            let back = format!("update orders set total = total - 1 where bucket = {bucket} and order_id = '{order}'");
            run(at, &back).await?;
        }
        (Side::Source, Deed::Dropped) => {
            run(at, "insert into orders select * from taken; drop table taken").await?;
        }
        // What it had was deleted when it was turned back, with what was added to it.
        (Side::Target, Deed::Added) => {
            count(at, "- 1").await?;
        }
        (Side::Target, Deed::Dropped) => {
            run(at, "drop table taken").await?;
            count(at, "+ 1").await?;
        }
        (Side::Target, Deed::Changed) | (Side::Source, Deed::Added) => {}
    }
    Ok(())
}
