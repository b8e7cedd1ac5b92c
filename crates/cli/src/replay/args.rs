//! What `forebay replay` can be told.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use forebay_api::Role;
use forebay_model::{DEFAULT_VIEWS, Tenant, ViewSet};
use forebay_replay::{Database, Format, RecordKind, Settings};
use forebay_service::settings::units;

use crate::operate::system;

/// Send files of orders, or of what happened to orders, to a running system.
///
/// A record that ingest rejects goes into the rejects file with its line and the reason, and the rest goes on. Sending
/// the same file again stores nothing twice: orders are known by their ids; where they have none, Forebay derives it from
/// the record and its place in the file, provided that the record has a timestamp.
///
/// It ends when the orders are stored, with what became of them: stored, duplicates of what was stored before, or dead, with the
/// reason and the first lines. With --no-wait it ends when they are accepted.
///
/// Exit codes: 0 nothing was rejected and nothing is dead; 2 everything was delivered, and something was rejected or is dead; 1 something
/// was not delivered, or it is not known what became of it; 64 it cannot be asked like that; 130 interrupted.
#[derive(Debug, Clone, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Args {
    /// Files of orders, also compressed with gzip, zstd or zip, directories of them, or patterns such as 'orders-*.csv'; `-` is
    /// standard input, `s3://BUCKET/NAME` an object, and `s3://BUCKET/PREFIX/` all under it. Keys and region come from
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION` and so on
    #[arg(required_unless_present = "from", value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// The files are of events: of what happened to orders
    #[arg(long)]
    pub events: bool,

    /// Address of ingest
    #[arg(long, env = "FOREBAY_INGEST_URL", value_name = "URL", default_value = Role::Ingest.url_default())]
    pub to: String,

    /// Address of query, which says what became of the orders; with --from, what the database is asked
    #[arg(long, value_name = "URL or SQL")]
    pub query: Option<String>,

    /// Address of query, where --query is what the database is asked
    #[arg(long, env = "FOREBAY_QUERY_URL", value_name = "URL", default_value = Role::Query.url_default())]
    pub query_url: String,

    /// Where objects lie, where that is not AWS, such as `http://127.0.0.1:9000`
    #[arg(long, env = "AWS_ENDPOINT_URL", value_name = "URL")]
    pub s3_endpoint: Option<String>,

    /// A database to read orders from, by the map: `postgres://user@host/database`. Its password may stand in PGPASSWORD
    #[arg(
        long,
        env = "FOREBAY_REPLAY_FROM",
        value_name = "URL",
        hide_env_values = true,
        requires = "query",
        requires = "map"
    )]
    pub from: Option<String>,

    /// The column of the query that its rows are ordered by: --resume goes on behind it
    #[arg(long, value_name = "COLUMN", requires = "from")]
    pub key: Option<String>,

    /// End when the orders are accepted, without asking what becomes of them
    #[arg(long)]
    pub no_wait: bool,

    /// Format of the files; without it their names and first bytes tell
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<FormatArg>,

    /// What of a file makes an order: a TOML file, or the name of a map that comes with Forebay (`forebay map list`)
    #[arg(long, value_name = "MAP")]
    pub map: Option<PathBuf>,

    /// A name that tells the file from others, for orders without an id; without it its contents do
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,

    /// Orders per second, at most
    #[arg(long, value_name = "N")]
    pub rate: Option<NonZeroU32>,

    /// Requests under way at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub connections: u16,

    /// Go on behind the last record that an interrupted run has seen acknowledged
    #[arg(long, conflicts_with = "dry_run")]
    pub resume: bool,

    /// Go on as the files grow, are rotated, or new ones appear in a directory, until it is interrupted; the same command goes on
    /// from there. It does not wait until orders are stored
    #[arg(long, conflicts_with_all = ["dry_run", "resume", "rejects", "from"])]
    pub follow: bool,

    /// Where rejected records go [default: FILE.rejects.ndjson beside each file]
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,

    /// Check the records here, and send nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Token that ingest and query know this client by
    #[arg(long, env = "FOREBAY_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,

    /// The tenant whose orders they are, where several share the system and the token does not say it
    #[arg(long, env = "FOREBAY_TENANT", value_name = "TENANT", value_parser = system::tenant)]
    pub tenant: Option<Tenant>,

    /// Print the summary as JSON to standard output
    #[arg(long)]
    pub json: bool,

    /// Seconds without any answer after which it gives up; before the first answer at most 20
    #[arg(long = "give-up-s", env = "FOREBAY_GIVE_UP_S", value_name = "SECONDS", default_value = "300",
        value_parser = units::seconds)]
    pub give_up: Duration,

    /// Where it is kept how far a run has come [default: `$XDG_STATE_HOME/forebay/replay`]
    #[arg(long, env = "FOREBAY_REPLAY_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// The views of the system, for --dry-run
    #[arg(long, env = "FOREBAY_VIEWS", value_name = "VIEWS", default_value = DEFAULT_VIEWS)]
    pub views: ViewSet,
}

/// How a file holds its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FormatArg {
    /// A record on each line
    Ndjson,
    /// A JSON array of records
    Json,
    /// Lines of items, made into orders by --map
    Csv,
    /// An export, or lines of items, made into orders by --map
    Parquet,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Ndjson => Self::Ndjson,
            FormatArg::Json => Self::Json,
            FormatArg::Csv => Self::Csv,
            FormatArg::Parquet => Self::Parquet,
        }
    }
}

impl From<Args> for Settings {
    fn from(args: Args) -> Self {
        let (query, database) = match args.from {
            Some(url) => (None, Some(Database { url, sql: args.query.unwrap_or_default(), key: args.key })),
            None => (args.query, None),
        };
        Self {
            kind: if args.events { RecordKind::Events } else { RecordKind::Orders },
            files: args.files,
            to: args.to,
            query: (!args.no_wait).then(|| query.unwrap_or(args.query_url)),
            s3_endpoint: args.s3_endpoint,
            database,
            format: args.format.map(Into::into),
            map: args.map,
            source: args.source,
            rate: args.rate,
            connections: args.connections,
            resume: args.resume,
            follows: args.follow,
            rejects: args.rejects,
            dry_run: args.dry_run,
            token: args.token,
            tenant: args.tenant,
            give_up: args.give_up,
            state_dir: args.state_dir,
            views: args.views,
        }
    }
}
