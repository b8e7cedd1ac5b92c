//! The shards of the map as it is now: each has its tables, and each of its streams a drain, from the moment that the map has it. Where a
//! shard is elsewhere, its sessions end and begin anew there.

use std::collections::BTreeMap;

use forebay_log::Log;
use forebay_model::{Lane, ShardId, ShardMap, StreamId};
use forebay_service::Service;
use forebay_service::health::{Dependency, Need};
use forebay_shard::ShardAddresses;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::derive::Doors;
use crate::drain::Drain;
use crate::drain::context::StreamContext;
use crate::status::Status;
use crate::status::backlog::Backlog;
use crate::upkeep::merging::begin_counting_merges;
use crate::{Settings, bootstrap, moving};

/// What is drained.
pub(crate) struct Shards {
    settings: Settings,
    log: Log,
    service: Service,
    backlog: Backlog,
    /// The shards that are drained.
    drained: BTreeMap<ShardId, Drained>,
}

/// A shard that is drained.
struct Drained {
    addresses: watch::Sender<ShardAddresses>,
    /// Ends what drains it.
    end: CancellationToken,
    /// What is told of it in `/readyz`.
    told: Vec<Dependency>,
}

impl Shards {
    pub(crate) fn new(settings: Settings, log: Log, service: Service, backlog: Backlog) -> Self {
        Self { settings, log, service, backlog, drained: BTreeMap::new() }
    }

    /// Follows the map until stopping begins. The dependency is up from the first one on, once it is known what its shards are.
    pub(crate) async fn run(mut self, dependency: Dependency, stop: CancellationToken) -> anyhow::Result<()> {
        let mut maps = self.log.map();
        loop {
            let map = maps.borrow_and_update().clone();
            if let Some(map) = map {
                self.follow(&map, &stop);
                dependency.up();
            }
            if !matches!(stop.run_until_cancelled(maps.changed()).await, Some(Ok(()))) {
                // It lives on as long as the service, so that its end is never news.
                stop.cancelled().await;
                return Ok(());
            }
        }
    }

    fn follow(&mut self, map: &ShardMap, stop: &CancellationToken) {
        let list = match self.settings.shards.of_map(map) {
            Ok(list) => list,
            Err(error) => {
                error!(epoch = %map.epoch(), %error, "where the shards are cannot be taken from the shard map");
                return;
            }
        };
        for (shard, gone) in self.drained.extract_if(.., |&shard, _| !map.has(shard)) {
            info!(%shard, "the shard is gone");
            gone.end.cancel();
            self.backlog.remove(shard);
            gone.told.into_iter().for_each(Dependency::forget);
        }
        let batch_bytes = self.settings.batch_bytes(list.len());
        for (shard, addresses) in list.iter() {
            if let Some(known) = self.drained.get(&shard) {
                let is_elsewhere = known.addresses.send_if_modified(|known| {
                    let is_elsewhere = known != addresses;
                    known.clone_from(addresses);
                    is_elsewhere
                });
                if is_elsewhere {
                    info!(%shard, %addresses, "the shard is elsewhere");
                }
                continue;
            }
            info!(%shard, %addresses, "the shard is in the map");
            let (addresses, receiver) = watch::channel(addresses.clone());
            let end = stop.child_token();
            let told = self.start(shard, &receiver, batch_bytes, stop, &end);
            self.drained.insert(shard, Drained { addresses, end, told });
        }
    }

    /// Starts what a shard needs, until `end`. Gives what is told of it.
    fn start(
        &self,
        shard: ShardId,
        addresses: &watch::Receiver<ShardAddresses>,
        batch_bytes: usize,
        stop: &CancellationToken,
        end: &CancellationToken,
    ) -> Vec<Dependency> {
        let Self { settings, service: Service { lifecycle, health, .. }, .. } = self;
        moving::begin_counters(shard);
        let dependency = health.dependency(format!("shard {shard}"), Need::OptionalOnceSeen);
        let doors = Doors(health.clone());
        doors.of(shard).up();
        let (done, migrated) = watch::channel(false);
        let tables = tables(shard, addresses.clone(), dependency.clone(), done, end.clone());
        lifecycle.spawn(format!("tables of shard {shard}"), lasting(tables, stop.clone()));
        let mut told = vec![dependency.clone(), doors.of(shard)];
        for lane in Lane::ALL {
            begin_counting_merges(lane, shard);
        }
        for of in StreamId::all_of(shard) {
            let status = Status::new(of, settings.options.keep_behind);
            self.backlog.add(status.clone());
            let continuity = health.dependency(format!("log {of}"), Need::Required);
            continuity.up();
            told.push(continuity.clone());
            let context = StreamContext {
                of,
                addresses: addresses.clone(),
                store: settings.store(),
                merge_idle: settings.options.merge_idle,
                batch_rows: settings.options.batch_rows as usize,
                batch_bytes,
                log: self.log.clone().reading_ahead(batch_bytes),
                status,
                doors: doors.clone(),
            };
            let drain = Drain { context, migrated: migrated.clone(), health: dependency.clone(), continuity };
            lifecycle.spawn(format!("drain {of}"), lasting(drain.run(end.clone()), stop.clone()));
        }
        told
    }
}

/// What ends with its shard lives on as long as the service, so that its end is never news.
async fn lasting(task: impl Future<Output = anyhow::Result<()>>, stop: CancellationToken) -> anyhow::Result<()> {
    task.await?;
    stop.cancelled().await;
    Ok(())
}

/// Gives a shard its tables, wherever it is.
async fn tables(
    shard: ShardId,
    mut addresses: watch::Receiver<ShardAddresses>,
    dependency: Dependency,
    done: watch::Sender<bool>,
    end: CancellationToken,
) -> anyhow::Result<()> {
    let each = async {
        loop {
            let now = addresses.borrow_and_update().clone();
            tokio::select! {
                () = bootstrap::tables(shard, &now, &dependency) => {
                    done.send_replace(true);
                }
                _ = addresses.changed() => continue,
            }
            if addresses.changed().await.is_err() {
                return;
            }
        }
    };
    end.run_until_cancelled(each).await;
    end.cancelled().await;
    Ok(())
}
