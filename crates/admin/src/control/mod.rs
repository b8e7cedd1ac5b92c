//! A decision that stands in the map takes effect: it is told to each logged stream by a control frame, and every shard has taken it.

pub(crate) mod publish;
pub(crate) mod wait;

use anyhow::{Context, Result};
use forebay_log::{Frame, Log};
use forebay_model::{Control, Epoch, ShardId, ShardMap};
use forebay_shard::{Lease, ShardPool, ViewsInForce};

use crate::control::publish::publish;
use crate::control::wait::until;

/// Sees to it that every shard has taken the views of this map, however long a shard is away. Any number of processes may do it, also
/// with different versions of the map: a shard takes only what is newer.
pub(crate) async fn put_in_force(
    log: &Log,
    map: &ShardMap,
    pools: &[ShardPool],
    tell: &(dyn Fn(ShardId) + Sync),
) -> Result<()> {
    let control = Control::Views { epoch: map.epoch(), in_force: map.settings().views.in_force().clone() };
    for shard in map.shards() {
        publish(log, shard, Frame::of_control(&control)).await?;
    }
    for shard in map.shards() {
        let pool = pool_of(pools, shard)?;
        let mut losses = log.losses();
        let taken = until(
            || tell(shard),
            async || {
                if has_taken(pool, map.epoch()).await {
                    return Some(Ok(()));
                }
                if losses == log.losses() {
                    return None;
                }
                // A server that went down may have lost it before anybody read it.
                losses = log.losses();
                publish(log, shard, Frame::of_control(&control)).await.err().map(Err)
            },
        );
        taken.await?;
    }
    Ok(())
}

/// The connections to a shard of the map.
pub(crate) fn pool_of(pools: &[ShardPool], shard: ShardId) -> Result<&ShardPool> {
    let pool = pools.iter().find(|pool| pool.shard() == shard);
    pool.with_context(|| format!("the map does not say where shard {shard} is"))
}

/// A connection to a shard of the map that is cut unless what was asked is answered to its end: for what may be given up meanwhile.
pub(crate) async fn lease_of(pools: &[ShardPool], shard: ShardId) -> Result<Lease> {
    Ok(pool_of(pools, shard)?.acquire().await?.cut_unless_done())
}

/// Whether a shard has taken the views of that epoch. One that does not answer has not, as far as is known.
pub(crate) async fn has_taken(pool: &ShardPool, epoch: Epoch) -> bool {
    let taken = async { anyhow::Ok(ViewsInForce::read(&mut *pool.acquire().await?).await?) };
    taken.await.ok().flatten().is_some_and(|taken| taken.epoch >= epoch)
}
