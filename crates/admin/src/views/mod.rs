//! The views of the system: added and dropped while orders flow.
//!
//! Each step is decided in the map by compare-and-swap, and told to every logged stream by a control frame; what a step does can
//! be done again. So whatever ends in the middle is gone on with by the same command, from anywhere, and two at once do no harm.
//!
//! **Adding**: the map has it, *building*; every shard has taken it, so that whatever is stored from then on is derived with it;
//! what follows from the orders stored before is filled in; the map has it, *ready*.
//!
//! **Dropping**: the map has it, *dropping*, and nobody reads it any more; every shard has taken that, and what was derived with it
//! before is stored; its rows are deleted; the map has it no more. Its id is never used again.
//!
//! | module | concept |
//! |---|---|
//! | `rows` | that no row of a dropped view comes behind, and deleting those that there are |

mod rows;

use std::time::Duration;

use anyhow::{Result, bail};
use forebay_log::Log;
use forebay_model::{ShardId, ShardMap, SystemSettings, SystemView, ViewId, ViewSpec, ViewState};
use forebay_service::BadSetting;
use forebay_shard::{PoolSettings, ShardPool};
use serde_json::json;

use crate::Tell;
use crate::audit::recorded;
use crate::backfill::{self, Filled};
use crate::control::{has_taken, pool_of, put_in_force};
use crate::moves::preflight::nothing_moves;
use crate::settings::change;
use crate::system::System;

/// What there is to know meanwhile.
#[derive(Clone, Copy, Debug)]
pub enum ViewProgress {
    /// A shard has not taken the views yet: it is waited for.
    Waiting(ShardId),
    /// What follows from the orders that were there before the view is being filled in.
    Filling,
    /// All of a shard is.
    Filled(Filled),
    /// The rows of a shard are deleted.
    Deleted {
        /// Which.
        shard: ShardId,
        /// How many they were.
        rows: u64,
    },
}

/// What became of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is ready.
    Now(ViewId),
    /// It was ready before.
    Before(ViewId),
}

/// Every view and how it stands.
///
/// # Errors
/// When the log cannot be reached, or has no map.
pub async fn list(system: &System) -> Result<Vec<SystemView>> {
    Ok(crate::settings::read(system).await?.settings().views.iter().cloned().collect())
}

/// Adds a view, and fills in what follows from the orders that are stored already.
///
/// # Errors
/// [`BadSetting`] where there cannot be such a view; else what could not be done. Running it again goes on from there.
pub async fn add(system: &System, spec: &ViewSpec, tell: Tell<'_, ViewProgress>) -> Result<Added> {
    let done = |added: &Added| match added {
        Added::Now(id) => json!({"view": id}),
        Added::Before(id) => json!({"view": id, "was_there": true}),
    };
    recorded(system, None, ("views add", json!({"view": spec.to_string()})), done, add_it(system, spec, tell)).await
}

async fn add_it(system: &System, spec: &ViewSpec, tell: Tell<'_, ViewProgress>) -> Result<Added> {
    let log = system.connect_log().await?;
    let mut id = None;
    let map = change(&log, |map, settings| {
        id = Some(settings.views.add(spec.clone()).map_err(|error| BadSetting::new(error.to_string()))?);
        check_moves(map, settings)
    })
    .await?;
    let Some(entry) = id.and_then(|id| map.settings().views.get(id)) else { bail!("the view is not in the map") };
    let id = entry.view.id;
    if entry.state == ViewState::Ready {
        return Ok(Added::Before(id));
    }
    let pools = system.pools(None, &pool_settings())?;
    loop {
        put_in_force(&log, &map, &pools, &|shard| tell(ViewProgress::Waiting(shard))).await?;
        tell(ViewProgress::Filling);
        let report = backfill::fill_view(system, &log, &map, id).await?;
        if !report.failed.is_empty() {
            bail!("{}", report.failed.join("; "));
        }
        report.filled.into_iter().for_each(|filled| tell(ViewProgress::Filled(filled)));
        if is_in_force_everywhere(&map, &pools).await? {
            break;
        }
    }
    set_ready(&log, id).await?;
    Ok(Added::Now(id))
}

/// Nothing begins while units move: both go through all rows of a unit.
fn check_moves(map: &ShardMap, settings: &SystemSettings) -> Result<(), BadSetting> {
    if map.settings() == settings { Ok(()) } else { nothing_moves(map).map_err(BadSetting::new) }
}

/// A shard that was set back to before it had taken the view, by a restore, has derived nothing of it since.
async fn is_in_force_everywhere(map: &ShardMap, pools: &[ShardPool]) -> Result<bool> {
    for shard in map.shards() {
        if !has_taken(pool_of(pools, shard)?, map.epoch()).await {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn set_ready(log: &Log, id: ViewId) -> Result<()> {
    change(log, |_, settings| {
        let is_ready = settings.views.get(id).is_some_and(|entry| entry.state == ViewState::Ready);
        if is_ready || settings.views.set_ready(id) {
            return Ok(());
        }
        Err(BadSetting::new("the view was dropped meanwhile"))
    })
    .await?;
    Ok(())
}

/// Drops a view, and deletes its rows. Returns how many there were.
///
/// # Errors
/// [`BadSetting`] where there is none; else what could not be done. Running it again goes on from there.
pub async fn drop(system: &System, name: &str, tell: Tell<'_, ViewProgress>) -> Result<u64> {
    let done = |rows: &u64| json!({"rows": rows});
    recorded(system, None, ("views drop", json!({"view": name})), done, drop_it(system, name, tell)).await
}

async fn drop_it(system: &System, name: &str, tell: Tell<'_, ViewProgress>) -> Result<u64> {
    let log = system.connect_log().await?;
    let mut dropped = None;
    let map = change(&log, |map, settings| {
        dropped = Some(settings.views.begin_drop(name).map_err(|error| BadSetting::new(error.to_string()))?);
        check_moves(map, settings)
    })
    .await?;
    let Some(view) = dropped else { bail!("the view is not in the map") };
    let pools = system.pools(None, &pool_settings())?;
    put_in_force(&log, &map, &pools, &|shard| tell(ViewProgress::Waiting(shard))).await?;
    rows::wait_for_those_on_their_way(&log, &map, &pools, tell).await?;
    let mut gone = 0;
    for shard in map.shards() {
        let rows = rows::delete(pool_of(&pools, shard)?, view.id).await?;
        tell(ViewProgress::Deleted { shard, rows });
        gone += rows;
    }
    change(&log, |_, settings| {
        settings.views.forget(view.id);
        Ok(())
    })
    .await?;
    Ok(gone)
}

/// What is waited for may be locked by a commit, and a piece of a table is read from end to end.
fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: "forebay-views".to_owned(),
        connections_max: 2,
        acquire_timeout: Duration::from_secs(3),
        statement_timeout: Duration::from_mins(1),
        ..PoolSettings::default()
    }
}
