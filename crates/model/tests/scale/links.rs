//! What each process has to do with each shard: positions that it says, connections, memory.

use forebay_model::{Incarnation, Position, Receipt, ShardId, StreamKind};

use crate::fleet::{SHARDS, first_beyond};
use crate::page::{Table, number};

/// Connections of a query process to each server (`--shard-connections`), and of a writer process to each shard, one that merges included.
const QUERY_CONNECTIONS: u16 = 8;
const WRITER_CONNECTIONS: u16 = 5;
/// Those of a writer that stands by.
const STANDBY_CONNECTIONS: u16 = 2;
/// What Postgres has by default, those for superusers left out.
const CONNECTIONS_MAX: u16 = 100 - 3;
/// The least that a writer has for frames of a stream, and what it has of all together by default (`writer/src/settings.rs`).
const STREAM_BYTES_MIN: u64 = 1 << 20;
const WRITER_BYTES: u64 = 64 << 20;
/// What proxies and servers commonly take of a header or an address.
const HEADER_BYTES: usize = 8 << 10;
/// Files that a process may have open by default.
const FILES_MAX: u32 = 1024;

/// What an answer that all shards were asked for says of its positions: as long as a batch's receipt.
fn positions(shards: u16) -> usize {
    let mut positions = Receipt::default();
    for shard in (0..shards).map(ShardId) {
        let at = Position { incarnation: Incarnation::new(1_750_000_000_000_001), seq: 123_456_789 };
        positions.note(StreamKind::Logged.on(shard), at);
    }
    positions.to_string().len()
}

fn writer_bytes(shards: u16) -> u64 {
    (u64::from(shards) * StreamKind::ALL.len() as u64 * STREAM_BYTES_MIN).max(WRITER_BYTES)
}

pub(crate) fn long_positions_from() -> u16 {
    first_beyond(4096, |shards| positions(shards) <= HEADER_BYTES).unwrap()
}

pub(crate) fn query_connections_from() -> u16 {
    first_beyond(4096, |shards| u32::from(shards * QUERY_CONNECTIONS) <= FILES_MAX).unwrap()
}

pub(crate) fn query_processes_beyond() -> u16 {
    (CONNECTIONS_MAX - WRITER_CONNECTIONS - STANDBY_CONNECTIONS) / QUERY_CONNECTIONS + 1
}

pub(crate) fn writer_memory_from() -> u16 {
    first_beyond(4096, |shards| writer_bytes(shards) <= WRITER_BYTES).unwrap()
}

pub(crate) fn table() -> Table {
    let mut table = Table::new(&[
        "shards",
        "streams",
        "connections of a query process to primaries",
        "of a writer process",
        "MiB of a writer for frames",
        "bytes of an answer's positions",
    ]);
    for shards in SHARDS {
        table.row(&[
            shards.to_string(),
            number(usize::from(shards) * StreamKind::ALL.len()),
            number(shards * QUERY_CONNECTIONS),
            number(shards * WRITER_CONNECTIONS),
            number(writer_bytes(shards) >> 20),
            number(positions(shards)),
        ]);
    }
    table
}
