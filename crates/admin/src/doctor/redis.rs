//! Redis, through which query processes share answers. Reads go on without it.

use std::time::Duration;

use forebay_model::Timestamp;
use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, cmd};
use tokio::time::timeout;

use super::clock::Reading;
use super::report::{Check, Notes, mib};

const ANSWER_MAX: Duration = Duration::from_secs(3);

pub(super) async fn examine(client: Option<&Client>) -> Vec<Check> {
    let Some(client) = client else {
        let mut notes = Notes::of("Redis");
        notes.ok("reachable", "not used: `none` is set");
        return notes.checks;
    };
    let mut notes = Notes::of(format!("Redis at {}", client.get_connection_info().addr()));
    let advice = "start it, or name it by --redis; until then query processes share no cache";
    match timeout(ANSWER_MAX, look(client, &mut notes)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => notes.warning("reachable", error.to_string(), advice),
        Err(_) => notes.warning("reachable", "does not answer", advice),
    }
    notes.checks
}

async fn look(client: &Client, notes: &mut Notes) -> Result<(), RedisError> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    let info: String = cmd("INFO").query_async(&mut connection).await?;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    notes.ok("reachable", format!("Redis {}", field("redis_version").unwrap_or("of unknown version")));
    let number = |name: &str| field(name).and_then(|text| text.parse::<u64>().ok());
    let (max, used) = (number("maxmemory").unwrap_or(0), number("used_memory").unwrap_or(0));
    let policy = field("maxmemory_policy").unwrap_or("noeviction");
    let saw = format!("{} used of {}, {policy}", mib(used), if max == 0 { "no bound".to_owned() } else { mib(max) });
    if max == 0 || policy == "noeviction" {
        notes.warning("memory", saw, "set maxmemory, and maxmemory-policy allkeys-lru: it holds a cache");
    } else {
        notes.ok("memory", saw);
    }
    time(&mut connection).await?.note(notes);
    Ok(())
}

async fn time(connection: &mut MultiplexedConnection) -> Result<Reading, RedisError> {
    let before = Timestamp::now();
    let (seconds, us): (i64, i64) = cmd("TIME").query_async(connection).await?;
    Ok(Reading::new(before, Timestamp::from_unix_us(seconds * 1_000_000 + us), Timestamp::now()))
}
