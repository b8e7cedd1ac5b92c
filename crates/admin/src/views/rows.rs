//! That no row of a dropped view comes behind, and deleting those that there are.

use anyhow::{Context, Result};
use forebay_log::Log;
use forebay_model::{ShardId, ShardMap, StreamKind, ViewId};
use forebay_shard::dropped_view::delete_dropped;
use forebay_shard::{Derived, ShardPool, StreamPosition};

use super::ViewProgress;
use crate::Tell;
use crate::backfill;
use crate::control::pool_of;
use crate::control::wait::until;
use crate::facts::owed::frames_owed;

/// Waits until everything that was derived with older views is stored, however long that takes. Every shard has taken the newer ones
/// before.
pub(super) async fn wait_for_those_on_their_way(
    log: &Log,
    map: &ShardMap,
    pools: &[ShardPool],
    tell: Tell<'_, ViewProgress>,
) -> Result<()> {
    for shard in map.shards() {
        let at = answer_of(shard, tell, async || {
            let read = StreamPosition::of(&mut *pool_of(pools, shard)?.acquire().await?, StreamKind::Logged).await?;
            Ok(read.map(|stored| stored.position))
        });
        let at = at.await;
        answer_of(shard, tell, async || {
            let notes = Derived::all(&mut *pool_of(pools, shard)?.acquire().await?).await?;
            for note in &notes {
                let state = log.stream_state(StreamKind::Derived.on(note.target)).await?;
                if frames_owed(note, at, &state) != Some(0) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await;
    }
    for shard in map.shards() {
        let stream = StreamKind::Derived.on(shard);
        let last = answer_of(shard, tell, async || Ok(Some(log.stream_state(stream).await?.last()))).await;
        answer_of(shard, tell, async || {
            let read = StreamPosition::of(&mut *pool_of(pools, shard)?.acquire().await?, stream.kind).await?;
            // Made anew, it has nothing that was derived before.
            let is_other = log.stream_state(stream).await?.incarnation != last.incarnation;
            let is_there = is_other || read.is_some_and(|stored| stored.position.covers(last));
            Ok((is_there || last.seq == 0).then_some(()))
        })
        .await;
    }
    Ok(())
}

/// Asks a shard until there is an answer that is no failure.
async fn answer_of<T>(shard: ShardId, tell: Tell<'_, ViewProgress>, ask: impl AsyncFn() -> Result<Option<T>>) -> T {
    until(|| tell(ViewProgress::Waiting(shard)), async || ask().await.ok().flatten()).await
}

/// Deletes the rows of a shard. Returns how many there were.
pub(super) async fn delete(pool: &ShardPool, view: ViewId) -> Result<u64> {
    let rows = delete_dropped(&mut *pool.acquire().await?, view).await;
    let rows = rows.with_context(|| format!("the rows of shard {}", pool.shard()))?;
    backfill::forget_view(pool, view).await?;
    Ok(rows)
}
