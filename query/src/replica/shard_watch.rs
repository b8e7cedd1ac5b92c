//! Looks at one shard every few seconds: which of its servers answer, which of them is the primary, how far their lanes
//! are, and which partitions there are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_model::{Lane, Timestamp};
use forebay_service::health::{Dependency, Need};
use forebay_service::{Service, Shutdown};
use forebay_shard::{LanePosition, Timestamptz};
use futures::FutureExt;
use futures::future::join_all;
use sqlx::postgres::PgConnection;

use crate::error::ShardError;
use crate::replica::server::Server;
use crate::replica::shard::Shard;
use crate::sql::window::Windows;

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The catalogue is read less often: what is out of date there costs time, and no rows.
const PARTITIONS_EVERY: Duration = Duration::from_secs(30);

pub(crate) struct ShardWatch {
    shard: Arc<Shard>,
    /// Down where none of its servers answers.
    dependency: Dependency,
    /// One for each server, where there are several.
    servers: Vec<Dependency>,
    shutdown: Shutdown,
}

/// What a server says of itself.
struct Sighting {
    /// The timeline that it writes; none where it only follows.
    timeline: Option<u32>,
    positions: Vec<LanePosition>,
}

impl ShardWatch {
    pub(crate) fn new(shard: Arc<Shard>, service: &Service) -> Self {
        let name = format!("shard {}", shard.id());
        let dependency = service.health.dependency(&name, Need::Optional);
        let servers = shard.servers().iter().filter(|_| shard.servers().len() > 1);
        let named = |server: &Server| service.health.dependency(format!("{name} at {}", server.name()), Need::Optional);
        let servers = servers.map(named).collect();
        Self { shard, dependency, servers, shutdown: service.shutdown().clone() }
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
        self.look_at_servers().await?;
        if partitions_read.is_none_or(|then| then.elapsed() >= PARTITIONS_EVERY) {
            let (orders, views) =
                self.shard.with_connection("stats", |connection| read_windows(connection).boxed()).await?;
            self.shard.set_windows(orders, views);
            *partitions_read = Some(Instant::now());
        }
        Ok(())
    }

    /// Asks every server at the same time, and settles what each of them is for.
    ///
    /// # Errors
    /// The first server's, where none answers.
    async fn look_at_servers(&self) -> Result<(), ShardError> {
        let servers = self.shard.servers();
        let looks = join_all(servers.iter().enumerate().map(async |(place, server)| {
            let outcome = self.look_at(server).await;
            match (self.servers.get(place), &outcome) {
                (Some(dependency), Ok(_)) => dependency.up(),
                (Some(dependency), Err(error)) => dependency.down(error.to_string()),
                (None, _) => {}
            }
            outcome
        }));
        let mut first_error = None;
        let mut answers = Vec::with_capacity(servers.len());
        for (server, outcome) in servers.iter().zip(looks.await) {
            match outcome {
                Ok(timeline) => answers.push((server, timeline)),
                Err(error) => {
                    server.set_avoided(true);
                    first_error.get_or_insert(error);
                }
            }
        }
        self.shard.settle(&answers);
        first_error.filter(|_| answers.is_empty()).map_or(Ok(()), Err)
    }

    /// Gives the timeline that the server writes.
    async fn look_at(&self, server: &Server) -> Result<Option<u32>, ShardError> {
        let Sighting { timeline, positions } =
            self.shard.look_at(server, |connection| read_sighting(connection).boxed()).await?;
        for lane in positions {
            self.shard.note(server, lane.lane, lane.position);
        }
        Ok(timeline)
    }
}

async fn read_sighting(connection: &mut PgConnection) -> Result<Sighting, sqlx::Error> {
    // The first eight hexadecimal digits of a log file's name are its timeline.
    const SQL: &str = "select case when not pg_is_in_recovery() \
        then ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int4 end";
    let timeline: Option<i32> = sqlx::query_scalar(SQL).fetch_one(&mut *connection).await?;
    let positions = LanePosition::all(connection).await?;
    Ok(Sighting { timeline: timeline.map(i32::cast_unsigned), positions })
}

async fn read_windows(connection: &mut PgConnection) -> Result<(Windows, Windows), sqlx::Error> {
    let orders = read_starts(connection, Lane::Orders).await?;
    let views = read_starts(connection, Lane::Views).await?;
    let now = Timestamp::now();
    Ok((Windows::of_partitions(orders, now), Windows::of_partitions(views, now)))
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
