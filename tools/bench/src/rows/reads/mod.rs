//! What rows that read have in common: a world with orders in it.

pub(super) mod cached;
pub(super) mod export;
pub(super) mod page;
pub(super) mod status;
pub(super) mod uncached;

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use forebay_model::{CustomerId, Hash, ShardMap, StreamKind, Tenant};
use http::StatusCode;

use crate::bench::Bench;
use crate::dataset::{Dataset, Recipe, customer_id};
use crate::limit::copy;
use crate::load::{Answer, Connection};
use crate::progress::{Progress, Until, execute};
use crate::servers::SERVERS;
use crate::world::World;

/// Statements and lists end before this day, behind every order of a month.
pub(crate) const END: &str = "2025-02-01";

/// A world with these orders: copied straight into the shards, but for some that go the usual way, so that every lane has a
/// position. A row that does not change it keeps it for the next.
pub(crate) async fn world(bench: &mut Bench, recipe: Recipe) -> Result<World> {
    if let Some(kept) = bench.take_kept(recipe) {
        return Ok(kept);
    }
    let (dataset, plan) = (bench.dataset(recipe)?, bench.plan(recipe).await?);
    let world = World::start(&bench.servers, &plan).await?;
    copy::into(&world.urls, &dataset).await?;
    let path = bench.servers.path(&format!("{}.ndjson", bench.servers.new_name()));
    let few = Dataset::make(Recipe { orders: 1000, customers: 100, seed: 2, ..recipe }, path)?;
    world.replay(&bench.servers, &few.file).await?;
    Progress::connect(&world.urls).await?.wait_for(Until::Stored(few.rows)).await?;
    for url in &world.urls {
        execute(url, "vacuum (analyze) orders, order_time, order_index, order_views").await?;
    }
    bench.servers.settle().await?;
    Ok(world)
}

/// The customers of a recipe whose orders lie on shard 0.
pub(crate) fn customers_of_shard_0(recipe: Recipe) -> Result<Vec<CustomerId>> {
    let map = map()?;
    let all = (0..recipe.customers).map(|customer| CustomerId::new(customer_id(customer)));
    let all = all.collect::<Result<Vec<_>, _>>()?;
    Ok(all.into_iter().filter(|id| map.shard(StreamKind::Logged, map.bucket_of(Tenant::none(), id)).0 == 0).collect())
}

/// The shard map of a world.
pub(crate) fn map() -> Result<ShardMap> {
    Ok(ShardMap::even(NonZeroU16::try_from(u16::try_from(SERVERS)?)?, Hash::Md5))
}

/// Asks until an answer comes from that cache.
pub(crate) async fn ask_until(connection: &mut Connection, path: &str, cache: &str) -> Result<Answer> {
    let begin = Instant::now();
    loop {
        let answer = connection.get(path).await?;
        let from = answer.headers.get("forebay-cache").and_then(|from| from.to_str().ok()).unwrap_or_default();
        if answer.status == StatusCode::OK && from == cache {
            return Ok(answer);
        }
        let is_late = begin.elapsed().as_secs() > 10;
        ensure!(!is_late, "{path} is answered with {} from `{from}` and not from {cache}", answer.status);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
