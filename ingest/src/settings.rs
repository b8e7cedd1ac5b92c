//! Flags and environment variables of the ingest service.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use forebay_api::Role;
use forebay_log::LogArgs;
use forebay_service::ServiceSettings;
use forebay_service::settings::units::{self, ByteSize};

/// Takes orders over HTTP and logs them.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "forebay-ingest", version)]
pub struct Settings {
    /// Address to listen on
    #[arg(long, env = "FOREBAY_INGEST_LISTEN", default_value = Role::Ingest.listen_default())]
    pub listen: SocketAddr,

    /// The log that it uses.
    #[command(flatten)]
    pub log: LogArgs,

    /// What only ingest has.
    #[command(flatten)]
    pub options: IngestOptions,

    /// What every service has.
    #[command(flatten)]
    pub service: ServiceSettings,
}

/// What only ingest can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct IngestOptions {
    /// Orders per second that each client may send
    #[arg(long, env = "FOREBAY_ORDERS_PER_S", default_value = "1000000")]
    pub orders_per_s: NonZeroU32,

    /// How far ahead of now an order's time may lie, in seconds
    #[arg(long = "ahead-max-s", env = "FOREBAY_AHEAD_MAX_S", default_value = "86400", value_parser = units::seconds)]
    pub ahead_max: Duration,

    /// File of rules for orders beside Forebay's own: a JSON Schema (2020-12) that stands on its own
    #[arg(long, env = "FOREBAY_ORDER_SCHEMA", value_name = "FILE")]
    pub order_schema: Option<PathBuf>,

    /// Bytes of requests that may be in hand at one time; beyond them requests wait, then get 503
    #[arg(long, env = "FOREBAY_MEMORY_MAX", default_value = "48MiB")]
    pub memory_max: ByteSize,

    /// Bytes of one batch, uncompressed
    #[arg(long, env = "FOREBAY_BATCH_BYTES_MAX", default_value = "4GiB")]
    pub batch_bytes_max: ByteSize,

    /// How long the log may take to acknowledge, in milliseconds, before a request gets 503
    #[arg(long = "ack-timeout-ms", env = "FOREBAY_ACK_TIMEOUT_MS", default_value = "5000", value_parser = units::millis)]
    pub ack_timeout: Duration,
}
