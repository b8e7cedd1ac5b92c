//! A shard is elsewhere, or labelled otherwise.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use forebay_model::{Label, ShardId, ShardMap};
use forebay_service::BadSetting;
use forebay_shard::{Identity, PoolSettings, ShardAddresses, ShardPool};
use serde_json::json;

use crate::audit::recorded;
use crate::settings::{change_map, stored_map};
use crate::system::System;

/// What is different.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Where its servers are from now on, where that changes.
    pub addresses: Option<ShardAddresses>,
    /// Labels that it has, or has no longer.
    pub labels: Vec<Label>,
}

/// Changes what the map says of a shard, and gives the map behind it. Services follow: new connections go there. Those that were told by
/// `--shards` where it is do not.
///
/// # Errors
/// [`BadSetting`] where there is no such shard; where the database there is not this shard's.
pub async fn set(system: &System, shard: ShardId, change: &Change) -> Result<Arc<ShardMap>> {
    let log = system.connect_log().await?;
    let map = stored_map(&log).await?;
    if map.shards().all(|known| known != shard) {
        return Err(BadSetting::new(format!("there is no shard {shard} in the map")).into());
    }
    if let Some(addresses) = &change.addresses {
        look(&addresses.clone().as_shard(shard, &map), shard).await?;
    }
    let addresses = change.addresses.as_ref().map(ShardAddresses::for_map);
    let labels: Vec<String> = change.labels.iter().map(ToString::to_string).collect();
    let asked = json!({"shard": shard, "addresses": addresses, "labels": labels});
    let done = |map: &Arc<ShardMap>| json!({"epoch": map.epoch()});
    let work = change_map(&log, |map| {
        let before = map.member(shard).cloned();
        let mut member = before.clone().unwrap_or_default();
        if let Some(addresses) = &addresses {
            member.addresses.clone_from(addresses);
        }
        change.labels.iter().cloned().for_each(|label| member.set_label(label));
        if member.addresses.is_empty() {
            bail!("the map does not say where shard {shard} is: say it, too, by --address");
        }
        Ok((before.as_ref() != Some(&member)).then(|| map.next_with_members([(shard, member)])))
    });
    recorded(system, None, ("shards set", asked), done, work).await
}

/// Whether each database there is this shard's. One that has never been taken in is nobody's: a shard goes elsewhere with what it has.
async fn look(addresses: &ShardAddresses, shard: ShardId) -> Result<()> {
    let settings = PoolSettings {
        application_name: "forebay-shards".to_owned(),
        connections_max: 1,
        acquire_timeout: Duration::from_secs(3),
        ..PoolSettings::default()
    };
    for address in addresses.iter() {
        let pool = ShardPool::new(shard, &address.clone().into(), &settings);
        if Identity::read(&mut *pool.acquire().await?).await?.is_none() {
            bail!(
                "{address} is not shard {shard}: its database was never one; a shard goes elsewhere with what it has"
            );
        }
    }
    Ok(())
}
