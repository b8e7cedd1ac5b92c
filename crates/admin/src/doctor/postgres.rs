//! A shard's servers: version, role, durability, tables, connections, clock, room.

use std::time::Duration;

use anyhow::Result;
use forebay_model::{ShardId, Timestamp};
use forebay_shard::database::{Footprint, ServerReport, clock};
use forebay_shard::{
    Lease, MigrationState, PoolSettings, ShardAddress, ShardAddresses, ShardError, ShardPool, StreamPosition,
};
use futures::future::join_all;

use super::clock::Reading;
use super::report::{Check, Notes, mib};
use super::room;
use crate::room::local_directory;

/// The oldest Postgres that is tested.
const VERSION_MIN: i32 = 150_000;
/// A writer has two sessions for each of two streams, a query process eight, commands one or two.
const CONNECTIONS_FREE_MIN: i64 = 20;

/// What is to be said of a shard.
pub(super) struct ShardFindings {
    pub(super) checks: Vec<Check>,
    /// By the primary, where it could be asked.
    pub(super) positions: Option<Vec<StreamPosition>>,
}

/// Looks at every server of a shard. One that is new has its tables still to be made.
pub(super) async fn examine(shard: ShardId, addresses: &ShardAddresses, is_new: bool) -> ShardFindings {
    let servers = join_all(addresses.iter().map(|address| server(shard, address, is_new))).await;
    let primaries = servers.iter().filter(|server| server.is_primary).count();
    let mut notes = Notes::of(format!("shard {shard}"));
    match primaries {
        1 => {}
        // Whose they are is to be mended first.
        0 if servers.iter().any(|server| server.is_foreign) => {}
        0 => notes.failed("primary", "none of its servers takes writes", "start its primary, or promote a replica"),
        more => {
            let advice = "end the old primary before it is written to: two servers that write are two truths";
            notes.failed("primary", format!("{more} of its servers take writes"), advice);
        }
    }
    let positions = servers.iter().find(|server| server.is_primary).and_then(|server| server.positions.clone());
    let checks = servers.into_iter().flat_map(|server| server.notes.checks);
    ShardFindings { checks: checks.chain(notes.checks).collect(), positions }
}

struct ServerFindings {
    notes: Notes,
    is_primary: bool,
    /// Whether its database is somebody else's.
    is_foreign: bool,
    positions: Option<Vec<StreamPosition>>,
}

async fn server(shard: ShardId, address: &ShardAddress, is_new: bool) -> ServerFindings {
    let settings = PoolSettings {
        application_name: "forebay-doctor".to_owned(),
        connections_max: 1,
        acquire_timeout: Duration::from_secs(3),
        statement_timeout: Duration::from_secs(10),
        ..PoolSettings::default()
    };
    let notes = Notes::of(format!("shard {shard} at {address}"));
    let mut server = ServerFindings { notes, is_primary: false, is_foreign: false, positions: None };
    let pool = ShardPool::new(shard, &ShardAddresses::from(address.clone()), &settings);
    match pool.acquire().await {
        Err(ShardError::Foreign { reason, .. }) => {
            server.is_foreign = true;
            let advice = "correct --shards, or what the map says (`forebay shards set`): until then nothing is read from it, and orders wait in the log";
            server.notes.failed("identity", reason, advice);
        }
        Err(error) => {
            let advice = "start it, or correct its address (`forebay shards set`, or --shards); orders wait in the log meanwhile";
            server.notes.failed("reachable", error.to_string(), advice);
        }
        Ok(mut connection) => {
            if let Err(error) = look(&mut connection, &mut server, is_new).await {
                server.notes.failed("answers", error.to_string(), "see its log");
            }
        }
    }
    server
}

async fn look(connection: &mut Lease, server: &mut ServerFindings, is_new: bool) -> Result<()> {
    let said = ServerReport::read(connection).await?;
    server.is_primary = !said.is_standby;
    let notes = &mut server.notes;
    let role = if said.is_standby { "a standby" } else { "a primary" };
    let saw = format!("Postgres {}, {role}", said.version);
    if said.version_num < VERSION_MIN {
        notes.failed("version", saw, "15 or newer is needed");
    } else {
        notes.ok("version", saw);
    }
    durability(&said, notes);
    encoding(&said, notes);
    connections(&said, notes);
    let migrations = MigrationState::read(connection).await?;
    tables(&migrations, notes, is_new);
    note_clock(connection, notes).await?;
    disk(&Footprint::read(connection).await?, notes);
    if migrations.missing.is_empty() {
        server.positions = Some(StreamPosition::all(connection).await?);
    }
    Ok(())
}

fn durability(said: &ServerReport, notes: &mut Notes) {
    let settings = [
        ("fsync", &said.fsync),
        ("full_page_writes", &said.full_page_writes),
        ("synchronous_commit", &said.synchronous_commit),
    ];
    let saw = settings.map(|(name, value)| format!("{name} = {value}")).join(", ");
    let off: Vec<&str> = settings.iter().filter(|(_, value)| *value == "off").map(|(name, _)| *name).collect();
    if off.is_empty() {
        notes.ok("durability", saw);
    } else {
        let advice = format!("set {} to on: a power cut would take orders whose frames may be trimmed", off.join(", "));
        notes.failed("durability", saw, advice);
    }
}

fn encoding(said: &ServerReport, notes: &mut Notes) {
    let saw = format!("{}, times in {}", said.encoding, said.time_zone);
    if said.encoding != "UTF8" {
        notes.failed("encoding", saw, "make the database anew with encoding UTF8: others refuse texts of orders");
    } else if said.time_zone == "UTC" {
        notes.ok("encoding", saw);
    } else {
        notes.warning(
            "encoding",
            saw,
            "something between here and the server changes sessions' settings: see a pooler's configuration",
        );
    }
}

fn connections(said: &ServerReport, notes: &mut Notes) {
    let saw = format!("{} of {} in use", said.connections, said.connections_max);
    if i64::from(said.connections_max) - said.connections < CONNECTIONS_FREE_MIN {
        let advice = "raise max_connections: a writer takes two for each of two streams, a query process --shard-connections (8)";
        notes.warning("connections", saw, advice);
    } else {
        notes.ok("connections", saw);
    }
}

fn tables(found: &MigrationState, notes: &mut Notes, is_new: bool) {
    let list = |versions: &[i64]| versions.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    if !found.altered.is_empty() {
        let saw = format!("migration {} is not the one of this version, or has failed", list(&found.altered));
        notes.failed("tables", saw, "find out which version made them; `forebay migrate` will not go on");
    } else if is_new && !found.missing.is_empty() {
        notes.ok("tables", "to be made");
    } else if !found.missing.is_empty() {
        let saw = format!("migration {} of {} is missing", list(&found.missing), found.newest);
        notes.failed("tables", saw, "run `forebay migrate`, or start a writer");
    } else {
        notes.ok("tables", format!("migrated to {}", found.newest));
    }
}

/// The first answer may have to wake something; the second counts.
async fn note_clock(connection: &mut Lease, notes: &mut Notes) -> Result<()> {
    let mut reading = None;
    for _ in 0..2 {
        let before = Timestamp::now();
        let there = clock(connection).await?;
        reading = Some(Reading::new(before, there, Timestamp::now()));
    }
    if let Some(reading) = reading {
        reading.note(notes);
    }
    Ok(())
}

fn disk(footprint: &Footprint, notes: &mut Notes) {
    let holds = format!("the database has {}", mib(footprint.bytes));
    match local_directory(footprint) {
        Some(directory) => room::note(notes, &holds, &directory),
        None => notes.ok("room", format!("{holds}; its disk cannot be seen from here")),
    }
}
