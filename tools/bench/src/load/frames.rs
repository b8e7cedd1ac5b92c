//! Frames that are published to the log directly: small ones, as they come of single orders.

use std::time::Duration;

use anyhow::Result;
use forebay_log::{Frame, Log};
use forebay_model::tuple::Tuples;
use forebay_model::{Epoch, ShardId, StreamKind};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use crate::dataset::{Batch, Dataset};

/// Rows of the frames, in turns: what a frame holds under the load of `post`.
const ROWS: [usize; 2] = [8, 9];
/// Frames on their way.
const IN_FLIGHT: usize = 256;
/// How long a frame may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Publishes every row of a dataset that a client sends, and gives how many frames these are.
///
/// # Errors
/// What the server says.
pub async fn publish(log: &Log, dataset: &Dataset) -> Result<u64> {
    let sent = stream::iter(frames(dataset))
        .map(async |(shard, frame)| log.publish_until(shard, &frame, Instant::now() + PATIENCE).await);
    Ok(sent.buffer_unordered(IN_FLIGHT).try_fold(0, async |frames, _| Ok(frames + 1)).await?)
}

fn frames(dataset: &Dataset) -> impl Iterator<Item = (ShardId, Frame)> {
    let shards = (0..).map(ShardId).zip(&dataset.shards);
    let batches = shards.flat_map(|(shard, batches)| batches.iter().map(move |batch| (shard, batch)));
    let logged = batches.filter(|(_, batch)| batch.lane.kind() == StreamKind::Logged);
    logged.flat_map(|(shard, batch)| small(batch).map(move |frame| (shard, frame)))
}

/// The rows of a transaction as small frames.
fn small(batch: &Batch) -> impl Iterator<Item = Frame> {
    let mut tuples = Tuples::new(batch.lane, &batch.tuples).flatten();
    let mut begin = 0;
    let frames = ROWS.into_iter().cycle().map_while(move |rows_max| {
        let (mut rows, mut end) = (0, begin);
        for tuple in tuples.by_ref().take(rows_max) {
            (rows, end) = (rows + 1, end + tuple.bytes().len());
        }
        let payload = batch.tuples.slice(std::mem::replace(&mut begin, end)..end);
        (rows > 0).then_some((rows, payload))
    });
    frames.map(|(rows, payload)| Frame::new(batch.lane, rows, Epoch(1), payload))
}

#[cfg(test)]
mod tests {
    use forebay_model::Lane;

    use super::*;
    use crate::dataset::Recipe;

    #[test]
    fn small_frames_have_every_row_of_the_logged_lane_once() {
        let dir = tempfile::tempdir().unwrap();
        let recipe = Recipe { orders: 3000, customers: 50, days: 3, all_lanes: true, seed: 1 };
        let dataset = Dataset::make(recipe, dir.path().join("orders")).unwrap();
        for (shard, batches) in dataset.shards.iter().enumerate() {
            let logged = batches.iter().filter(|batch| batch.lane == Lane::Orders);
            let expected: Vec<u8> = logged.flat_map(|batch| batch.tuples.to_vec()).collect();
            let of_shard: Vec<Frame> =
                frames(&dataset).filter(|(of, _)| usize::from(of.0) == shard).map(|(_, frame)| frame).collect();
            assert_eq!(of_shard.iter().flat_map(|frame| frame.payload.to_vec()).collect::<Vec<u8>>(), expected);
            for frame in of_shard {
                assert!((1..=9).contains(&frame.rows));
                assert_eq!(
                    Tuples::new(frame.kind.lane().unwrap(), &frame.payload).flatten().count(),
                    frame.rows as usize
                );
            }
        }
    }
}
