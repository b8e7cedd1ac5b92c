//! The indexes by status, made when the first event is stored, beside a stream's session.
//!
//! Lists are exact without them, so whatever goes wrong here is tried again later, and disturbs nobody.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use forebay_model::Lane;
use forebay_shard::{ShardAddress, StatusIndexes};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, instrument};

/// How often it is looked whether they are needed, where no commit says so.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How long to wait where they could not be made.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Makes the indexes by status of one lane's table.
#[derive(Debug)]
pub(crate) struct Indexing {
    lane: Lane,
    address: ShardAddress,
    /// Told when events were stored.
    happened: Arc<Notify>,
}

impl Indexing {
    pub(crate) fn new(lane: Lane, address: ShardAddress, happened: Arc<Notify>) -> Self {
        Self { lane, address, happened }
    }

    /// Makes them as soon as they are needed.
    #[instrument(name = "index", skip_all, fields(lane = %self.lane))]
    pub(crate) async fn run(self) -> Infallible {
        loop {
            match StatusIndexes::make(&self.address, self.lane).await {
                Ok(StatusIndexes::Made(new)) => {
                    if new > 0 {
                        info!(new, "lists by status have their indexes");
                    }
                    // From now on every partition is made with them.
                    return std::future::pending().await;
                }
                Ok(StatusIndexes::NotNeeded) => {
                    let _ = timeout(LOOK_EVERY, self.happened.notified()).await;
                }
                Ok(StatusIndexes::Busy) => sleep(AGAIN_AFTER).await,
                Err(error) => {
                    debug!(class = %error.class(), %error, "the indexes by status were not made, trying again");
                    sleep(AGAIN_AFTER).await;
                }
            }
        }
    }
}
