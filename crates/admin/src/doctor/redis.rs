//! Redis, through which query processes share answers. Reads go on without it.

use std::time::Duration;

use forebay_model::Timestamp;
use forebay_redis::{Client, Connection, RedisError};
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
    let mut notes = Notes::of(format!("Redis at {client}"));
    let advice = "start it, or name it by --redis; until then query processes share no cache";
    match timeout(ANSWER_MAX, look(client, &mut notes)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => notes.warning("reachable", error.to_string(), advice),
        Err(_) => notes.warning("reachable", "does not answer", advice),
    }
    notes.checks
}

async fn look(client: &Client, notes: &mut Notes) -> Result<(), RedisError> {
    let mut connection = client.connect(ANSWER_MAX).await?;
    connection.ping().await?;
    for (address, info) in connection.info().await? {
        server(&address, &info, notes);
    }
    time(&mut connection).await?.note(notes);
    Ok(())
}

/// One server; it has an address where it is one of several.
fn server(address: &str, info: &str, notes: &mut Notes) {
    let of = if address.is_empty() { String::new() } else { format!("{address}: ") };
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    notes.ok("reachable", format!("{of}Redis {}", field("redis_version").unwrap_or("of unknown version")));
    let number = |name: &str| field(name).and_then(|text| text.parse::<u64>().ok());
    let (max, used) = (number("maxmemory").unwrap_or(0), number("used_memory").unwrap_or(0));
    let policy = field("maxmemory_policy").unwrap_or("noeviction");
    let bound = if max == 0 { "no bound".to_owned() } else { mib(max) };
    let saw = format!("{of}{} used of {bound}, {policy}", mib(used));
    if max == 0 || policy == "noeviction" {
        notes.warning("memory", saw, "set maxmemory, and maxmemory-policy allkeys-lru: it holds a cache");
    } else {
        notes.ok("memory", saw);
    }
}

async fn time(connection: &mut Connection) -> Result<Reading, RedisError> {
    let before = Timestamp::now();
    let (seconds, us) = connection.time().await?;
    Ok(Reading::new(before, Timestamp::from_unix_us(seconds * 1_000_000 + us), Timestamp::now()))
}
