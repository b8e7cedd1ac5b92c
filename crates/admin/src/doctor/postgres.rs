//! A shard's servers: version, role, durability, tables, connections, clock, room.

use std::time::Duration;

use forebay_model::{ShardId, Timestamp};
use forebay_shard::{
    MigrationState, PoolSettings, ShardAddress, ShardAddresses, ShardError, ShardPool, StreamPosition, Timestamptz,
};
use futures::future::join_all;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::clock::Reading;
use super::report::{Check, Notes, mib};
use super::room;
use crate::room::local_directory;

/// The oldest Postgres that is tested.
const VERSION_MIN: i32 = 150_000;
/// A writer has two sessions for each of two streams, a query process eight, commands one or two.
const CONNECTIONS_FREE_MIN: i64 = 20;

/// What is to be said of a shard.
pub(super) struct Found {
    pub(super) checks: Vec<Check>,
    /// By the primary, where it could be asked.
    pub(super) positions: Option<Vec<StreamPosition>>,
}

/// What a server says of itself.
struct Said {
    version_num: i32,
    version: String,
    is_standby: bool,
    fsync: String,
    full_page_writes: String,
    synchronous_commit: String,
    connections_max: i32,
    connections: i64,
    encoding: String,
    time_zone: String,
    bytes: i64,
    /// Only those who may see it see it.
    data_directory: Option<String>,
    started_s: f64,
    /// None on a Unix socket.
    port: Option<i32>,
}

const SAID: &str = "select current_setting('server_version_num')::int4 as version_num, \
    current_setting('server_version') as version, pg_is_in_recovery() as is_standby, current_setting('fsync') as fsync, \
    current_setting('full_page_writes') as full_page_writes, current_setting('synchronous_commit') as synchronous_commit, \
    current_setting('max_connections')::int4 as connections_max, \
    (select sum(numbackends)::int8 from pg_stat_database) as connections, \
    current_setting('server_encoding') as encoding, current_setting('TimeZone') as time_zone, \
    pg_database_size(current_database()) as bytes, \
    (select setting from pg_settings where name = 'data_directory') as data_directory, \
    extract(epoch from pg_postmaster_start_time())::float8 as started_s, inet_server_port() as port";

/// Looks at every server of a shard. One that is new has its tables still to be made.
pub(super) async fn examine(shard: ShardId, addresses: &ShardAddresses, is_new: bool) -> Found {
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
    Found { checks: checks.chain(notes.checks).collect(), positions }
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

impl Said {
    async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let row = sqlx::query(SAID).fetch_one(connection).await?;
        Ok(Self {
            version_num: row.try_get("version_num")?,
            version: row.try_get("version")?,
            is_standby: row.try_get("is_standby")?,
            fsync: row.try_get("fsync")?,
            full_page_writes: row.try_get("full_page_writes")?,
            synchronous_commit: row.try_get("synchronous_commit")?,
            connections_max: row.try_get("connections_max")?,
            connections: row.try_get("connections")?,
            encoding: row.try_get("encoding")?,
            time_zone: row.try_get("time_zone")?,
            bytes: row.try_get("bytes")?,
            data_directory: row.try_get("data_directory")?,
            started_s: row.try_get("started_s")?,
            port: row.try_get("port")?,
        })
    }
}

async fn look(connection: &mut PgConnection, server: &mut ServerFindings, is_new: bool) -> Result<(), sqlx::Error> {
    let said = Said::read(connection).await?;
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
    clock(connection, notes).await?;
    disk(&said, notes);
    if migrations.missing.is_empty() {
        server.positions = Some(StreamPosition::all(connection).await?);
    }
    Ok(())
}

fn durability(said: &Said, notes: &mut Notes) {
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

fn encoding(said: &Said, notes: &mut Notes) {
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

fn connections(said: &Said, notes: &mut Notes) {
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
async fn clock(connection: &mut PgConnection, notes: &mut Notes) -> Result<(), sqlx::Error> {
    let mut reading = None;
    for _ in 0..2 {
        let before = Timestamp::now();
        let there: Timestamptz = sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut *connection).await?;
        reading = Some(Reading::new(before, there.0, Timestamp::now()));
    }
    if let Some(reading) = reading {
        reading.note(notes);
    }
    Ok(())
}

fn disk(said: &Said, notes: &mut Notes) {
    let holds = format!("the database has {}", mib(said.bytes.unsigned_abs()));
    match local_directory(said.data_directory.as_deref(), said.port, said.started_s) {
        Some(directory) => room::note(notes, &holds, &directory),
        None => notes.ok("room", format!("{holds}; its disk cannot be seen from here")),
    }
}
