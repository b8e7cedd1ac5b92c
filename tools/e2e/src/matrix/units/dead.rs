//! The shard that buckets move to dies in the middle, and does not come back until they are given up.

use std::time::Duration;

use anyhow::{Result, ensure};
use forebay_model::{Bucket, ShardId, StreamKind};
use forebay_stack::Server;

use super::{begin, fill, must_be_equal, must_be_moved, note_sent_on};
use crate::matrix::trial::{Target, Trial};

const ORDERS: usize = 3000;
const FROM: ShardId = ShardId(0);
/// How long a source may take to own again what was turned back.
const OWNED_WITHIN: Duration = Duration::from_secs(30);
/// Units of a shard that say that they are on their way from it.
const AWAY: &str = "select count(*) from unit_owner where said -> 'state' ? 'copying' or said -> 'state' ? 'released'";

/// Kills the target at some moment of a move and gives the move up: what was not decided for good is the source's again, without the target.
pub(crate) async fn target(trial: &mut Trial, target: usize) -> Result<()> {
    fill(trial, ORDERS).await?;
    let victim = Target::Server(Server::Postgres(target));
    for _ in 0..trial.span.rounds() {
        let map = trial.system.stored_map().await?;
        let is_there = |bucket: &Bucket| StreamKind::ALL.iter().all(|&stream| map.shard(stream, *bucket) == FROM);
        let buckets: Vec<Bucket> = Bucket::all().filter(is_there).take(200).collect();
        begin(trial, &buckets, FROM, ShardId(target as u16)).await?;
        trial.work(200..1500).await;
        trial.kill(victim).await;
        trial.work(500..1500).await;
        let aborted = trial.system.forebay(&["shards", "abort", "--json"], b"").await?;
        ensure!(aborted.code == Some(0), "abort: {aborted:?}");
        let too_late = aborted.json()?["too_late"].as_i64().unwrap_or_default();
        trial
            .must("the source owns what was turned back", OWNED_WITHIN, async |system| {
                match system.sql(usize::from(FROM.0), AWAY).await.map(|count| count.trim().parse::<i64>()) {
                    Ok(Ok(away)) if away <= too_late => Ok(()),
                    away => Err(format!("{away:?} are away, {too_late} are decided for good")),
                }
            })
            .await;
        // What the target was sent meanwhile lies in its log, and comes back when it does.
        trial.start_again(victim).await?;
        must_be_moved(trial).await;
    }
    note_sent_on(trial).await?;
    must_be_equal(trial, "0-599").await
}
