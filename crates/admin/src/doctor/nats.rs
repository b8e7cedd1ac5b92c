//! The NATS server: version, what an acknowledgement means, clock, room.

use std::path::{Path, PathBuf};
use std::time::Duration;

use forebay_log::{Log, LogError, LogSettings, NatsServer};
use forebay_model::Timestamp;
use forebay_service::http::is_this_machine;
use serde::Deserialize;

use super::clock::Reading;
use super::report::{Check, Notes, mib};
use crate::room::free_bytes;

/// An order may have 256 KiB, and is a message with its tuples and headers.
const MESSAGE_BYTES_MIN: usize = 512 << 10;
/// The port on which NATS is monitored, where it is and nothing else is said.
const MONITOR_PORT: u16 = 8222;
/// A disk with less room than this, in bytes, is full: the next file of a stream does not fit.
const FULL: u64 = 8 << 20;
const MONITOR_WITHIN: Duration = Duration::from_secs(2);

/// What `/varz` of the monitoring port tells that a client is not told.
#[derive(Debug, Deserialize)]
struct Monitored {
    server_id: String,
    jetstream: Option<JetStream>,
}

#[derive(Debug, Deserialize)]
struct JetStream {
    config: Option<Config>,
    stats: Option<Stats>,
}

#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    sync_always: bool,
    /// Nanoseconds.
    #[serde(default)]
    sync_interval: u64,
    #[serde(default)]
    max_storage: i64,
    store_dir: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Stats {
    #[serde(default)]
    storage: u64,
    #[serde(default)]
    reserved_storage: u64,
}

/// What is to be said of the server; and the log, where it can be reached.
pub(super) async fn examine(settings: &LogSettings, monitor: Option<&str>) -> (Option<Log>, Vec<Check>) {
    let mut notes = Notes::of("NATS");
    let log = match Log::connect(settings.clone()).await {
        Ok(log) => log,
        Err(error) => {
            notes.failed("reachable", error.to_string(), advice(&error));
            return (None, notes.checks);
        }
    };
    let server = log.server();
    notes.ok("reachable", format!("version {}, JetStream is on", server.version));
    message_size(&log, &mut notes);
    let config = monitored(settings, &server, monitor, &mut notes).await;
    if let Some(config) = config.as_ref().and_then(|found| found.config.as_ref()) {
        durability(config, &mut notes);
    }
    room(&log, config.as_ref(), &mut notes).await;
    disk(config.as_ref(), is_this_machine(first_host(&settings.url)), &mut notes);
    let before = Timestamp::now();
    if let Ok(Some(there)) = log.server_time().await {
        Reading::new(before, there, Timestamp::now()).note(&mut notes);
    }
    (Some(log), notes.checks)
}

fn advice(error: &LogError) -> &'static str {
    match error {
        LogError::TooOld { .. } => "install a newer one: `./dev install`, or the image of docker-compose.yml",
        LogError::NoJetStream { .. } => "give its configuration a block `jetstream { sync_interval: always }`",
        _ => "start it, or name it by --nats; until then ingest answers 503 and nothing is stored",
    }
}

fn message_size(log: &Log, notes: &mut Notes) {
    let max = log.message_bytes_max();
    let saw = format!("messages may have {}", mib(max as u64));
    if max < MESSAGE_BYTES_MIN {
        notes.failed("messages", saw, "set max_payload: 1MB: the largest orders do not fit into a message");
    } else {
        notes.ok("messages", saw);
    }
}

/// A client cannot ask what an acknowledgement means; the monitoring port can be asked, where it is open.
async fn monitored(
    settings: &LogSettings,
    server: &NatsServer,
    monitor: Option<&str>,
    notes: &mut Notes,
) -> Option<JetStream> {
    const ADVICE: &str = "see to it that its configuration has `jetstream { sync_interval: always }`; 202 rests on it. With \
        `http: 127.0.0.1:8222` in the configuration and --nats-monitor this can be checked";
    let url = monitor.map_or_else(|| format!("http://{}:{MONITOR_PORT}", first_host(&settings.url)), str::to_owned);
    let told = match varz(&url).await {
        Ok(told) if told.server_id == server.id => return told.jetstream,
        Ok(_) => format!("the monitoring port {url} is another server's"),
        Err(_) if monitor.is_none() => "a client is not told whether it syncs before it acknowledges".to_owned(),
        Err(error) => format!("the monitoring port {url} does not tell: {error}"),
    };
    notes.warning("durability", told, ADVICE);
    None
}

/// The host of the first address: without scheme, user and port.
fn first_host(url: &str) -> &str {
    let first = url.split(',').next().unwrap_or_default().trim();
    let first = first.split_once("://").map_or(first, |(_, rest)| rest);
    let first = first.rsplit_once('@').map_or(first, |(_, host)| host);
    first.rsplit_once(':').map_or(first, |(host, _)| host)
}

async fn varz(url: &str) -> Result<Monitored, reqwest::Error> {
    let client = reqwest::Client::builder().timeout(MONITOR_WITHIN).build()?;
    client.get(format!("{}/varz", url.trim_end_matches('/'))).send().await?.error_for_status()?.json().await
}

fn durability(config: &Config, notes: &mut Notes) {
    if config.sync_always {
        notes.ok("durability", "it syncs before it acknowledges");
    } else {
        let saw = format!("it syncs every {} s, and acknowledges before", config.sync_interval / 1_000_000_000);
        notes.failed(
            "durability",
            saw,
            "set `jetstream { sync_interval: always }`: a power cut would take accepted orders",
        );
    }
}

async fn room(log: &Log, monitored: Option<&JetStream>, notes: &mut Notes) {
    let server = monitored.and_then(|found| Some((found.config.as_ref()?.max_storage, found.stats.as_ref()?)));
    let (used, reserved, max) = match (log.room().await, server) {
        (_, Some((max, stats))) => (stats.storage, Some(stats.reserved_storage), u64::try_from(max).ok()),
        (Ok(room), None) => (room.used, None, room.max),
        (Err(error), None) => return notes.warning("room", error.to_string(), "let this account ask for its limits"),
    };
    let of = max.map_or_else(|| "no limit that a client is told".to_owned(), mib);
    let promised = reserved.map(|bytes| format!(", {} promised to streams", mib(bytes))).unwrap_or_default();
    let saw = format!("{} used of {of}{promised}", mib(used));
    match max {
        Some(max) if used.max(reserved.unwrap_or(0)) > max => {
            notes.warning("room", saw, "raise max_file_store, or lower stream-bytes-max by `forebay settings set`: a stream that meets a full disk is given up");
        }
        _ => notes.ok("room", saw),
    }
}

/// What was promised to streams must fit on the disk: a server gives up each stream that meets a full one, until it is started again. No
/// client is told how much of it is left, and to write to a full one would be to break what is there.
fn disk(found: Option<&JetStream>, is_here: bool, notes: &mut Notes) {
    let told = found.and_then(|found| Some((found.config.as_ref()?.store_dir.as_deref()?, found.stats.as_ref()?)));
    let seen = |(directory, stats)| Some((directory, free_bytes(directory)?, stats));
    let Some((directory, free, stats)) = told.filter(|_| is_here).and_then(seen) else {
        let why = match told {
            None => "where it is, only the monitoring port tells".to_owned(),
            Some((directory, _)) => format!("{} cannot be seen from here", directory.display()),
        };
        let advice = "run this on the server's machine with its monitoring port (`http: 127.0.0.1:8222` in its configuration, --nats-monitor), \
            or look there with df: a full disk stops the log";
        return notes.warning("disk", format!("whether the log's disk is full was not looked at: {why}"), advice);
    };
    disk_of(free, directory, stats.unused(), notes);
}

fn disk_of(free: u64, directory: &Path, promised: u64, notes: &mut Notes) {
    let saw = format!("{} free in {}, {} more promised", mib(free), directory.display(), mib(promised));
    if free < promised.min(FULL) {
        notes.failed("disk", saw, "make room, then restart NATS: its disk is full, and it takes no orders until then");
    } else if free < promised {
        let advice = "make room, or lower stream-bytes-max by `forebay settings set`: a full disk stops the log until NATS is restarted";
        notes.warning("disk", saw, advice);
    } else {
        notes.ok("disk", saw);
    }
}

impl Stats {
    /// Bytes that streams may still take of what was promised to them.
    fn unused(&self) -> u64 {
        self.reserved_storage.saturating_sub(self.storage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;

    #[test]
    fn a_disk_that_is_full_has_failed_and_one_that_may_become_so_is_warned_of() {
        let promised = 8 << 30;
        for (free, verdict) in [
            (0, Verdict::Failed),
            (FULL - 1, Verdict::Failed),
            (FULL, Verdict::Warning),
            (promised - 1, Verdict::Warning),
            (promised, Verdict::Ok),
        ] {
            let mut notes = Notes::of("NATS");
            disk_of(free, Path::new("/log"), promised, &mut notes);
            assert_eq!(notes.checks[0].verdict, verdict, "{free}");
        }
        // What was promised is there already: nothing more is asked of the disk.
        let mut notes = Notes::of("NATS");
        disk_of(FULL - 1, Path::new("/log"), 0, &mut notes);
        assert_eq!(notes.checks[0].verdict, Verdict::Ok);
    }

    #[test]
    fn the_monitor_is_looked_for_at_the_first_host() {
        for url in ["nats://u:se@cret@a.b:4222,nats://c:1", "a.b:4222", "nats://a.b", " tls://a.b:4222 "] {
            assert_eq!(first_host(url), "a.b", "{url}");
        }
    }
}
