//! Looks at one shard every few seconds: whether it answers, how far its lanes are, and which partitions it has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_model::{Lane, Timestamp};
use forebay_service::Shutdown;
use forebay_service::health::Dependency;
use forebay_shard::{LanePosition, Timestamptz};
use futures::FutureExt;
use sqlx::postgres::PgConnection;

use crate::error::ShardError;
use crate::shard::Shard;
use crate::window::Windows;

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The catalogue is read less often: what is out of date there costs time, and no rows.
const PARTITIONS_EVERY: Duration = Duration::from_secs(30);

pub(crate) struct ShardWatch {
    shard: Arc<Shard>,
    dependency: Dependency,
    shutdown: Shutdown,
}

impl ShardWatch {
    pub(crate) fn new(shard: Arc<Shard>, dependency: Dependency, shutdown: Shutdown) -> Self {
        Self { shard, dependency, shutdown }
    }

    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut partitions_read = None;
        loop {
            self.shard.close_idle();
            let looked = Box::pin(self.look(&mut partitions_read));
            match self.shutdown.answered().run_until_cancelled(looked).await {
                None => return Ok(()),
                Some(Ok(())) => self.dependency.up(),
                Some(Err(error)) => self.dependency.down(error.to_string()),
            }
            let pause = tokio::time::sleep(LOOK_EVERY);
            if self.shutdown.answered().run_until_cancelled(pause).await.is_none() {
                return Ok(());
            }
        }
    }

    async fn look(&self, partitions_read: &mut Option<Instant>) -> Result<(), ShardError> {
        let positions =
            self.shard.with_connection("position", |connection| LanePosition::all(connection).boxed()).await?;
        for lane in positions {
            self.shard.known().note(lane.lane, lane.position);
        }
        if partitions_read.is_none_or(|then| then.elapsed() >= PARTITIONS_EVERY) {
            let (orders, views) =
                self.shard.with_connection("stats", |connection| read_windows(connection).boxed()).await?;
            self.shard.set_windows(orders, views);
            *partitions_read = Some(Instant::now());
        }
        Ok(())
    }
}

async fn read_windows(connection: &mut PgConnection) -> Result<(Windows, Windows), sqlx::Error> {
    let orders = read_starts(connection, Lane::Orders).await?;
    let views = read_starts(connection, Lane::Views).await?;
    Ok((Windows::of_partitions(orders), Windows::of_partitions(views)))
}

/// When the partitions of a lane's table begin. What is open to below, or a default partition, has no beginning.
async fn read_starts(connection: &mut PgConnection, lane: Lane) -> Result<Vec<Timestamp>, sqlx::Error> {
    // The bounds are printed and read in one session, so its time zone and date style do not matter.
    const SQL: &str = "select start from ( \
            select substring(pg_get_expr(c.relpartbound, c.oid) from 'FROM \\(''([^'']*)''\\)')::timestamptz as start \
            from pg_inherits join pg_class c on c.oid = inhrelid where inhparent = $1::regclass \
        ) as partition where isfinite(start)";
    let starts: Vec<Timestamptz> =
        sqlx::query_scalar(SQL).bind(lane.table()).persistent(false).fetch_all(connection).await?;
    Ok(starts.into_iter().map(|start| start.0).collect())
}
