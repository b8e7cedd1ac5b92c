//! What a run can be told.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use forebay_client::{BadAddress, Client, RecordKind};
use forebay_model::{Tenant, ViewSet};
use forebay_service::BadSetting;

use crate::format::Format;

/// What is sent, where to and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the files are of.
    pub kind: RecordKind,
    /// Files of records, also compressed with gzip, zstd or zip; `s3://…` is an object, or all under it; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// Address of ingest.
    pub to: String,
    /// Address of query, to go on until it is decided what became of the records; without it the run ends when they are accepted.
    pub query: Option<String>,
    /// Where objects (`s3://…`) lie, where that is not AWS.
    pub s3_endpoint: Option<String>,
    /// A database that records are read from, instead of files or beside them.
    pub database: Option<Database>,
    /// Format of the files; without it their names and first bytes tell.
    pub format: Option<Format>,
    /// What of a file makes a record (TOML).
    pub map: Option<PathBuf>,
    /// A name that tells the file from others, for the ids of orders that have none; without it its contents do.
    pub source: Option<String>,
    /// Records per second, at most.
    pub rate: Option<NonZeroU32>,
    /// Requests under way at the same time.
    pub connections: u16,
    /// Go on behind the last record that an interrupted run has seen acknowledged.
    pub resume: bool,
    /// Whether the files are followed: what cannot be gone on with is sent from its beginning.
    pub follows: bool,
    /// Where rejected records go; without it beside each file.
    pub rejects: Option<PathBuf>,
    /// Check the records here, and send nothing.
    pub dry_run: bool,
    /// Token that ingest and query know this client by.
    pub token: Option<String>,
    /// The tenant whose records they are, where several share the system.
    pub tenant: Option<Tenant>,
    /// How long it goes on without any answer; before the first answer at most 20 s.
    pub give_up: Duration,
    /// Where it is kept how far a run has come.
    pub state_dir: Option<PathBuf>,
    /// The views of the system, for a dry run.
    pub views: ViewSet,
}

/// A query to a database, whose rows a map makes records of.
#[derive(Clone)]
pub struct Database {
    /// Where it is: `postgres://…`.
    pub url: String,
    /// What is asked.
    pub sql: String,
    /// The column that rows are ordered by, so that a run can be gone on with.
    pub key: Option<String>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may have a password in it.
        f.debug_struct("Database").field("sql", &self.sql).field("key", &self.key).finish_non_exhaustive()
    }
}

impl Settings {
    /// These files of orders, to the ingest at that address; everything else as it is where nothing is said.
    pub fn new(files: Vec<PathBuf>, to: String) -> Self {
        Self {
            kind: RecordKind::Orders,
            files,
            to,
            query: None,
            s3_endpoint: None,
            database: None,
            format: None,
            map: None,
            source: None,
            rate: None,
            connections: 4,
            resume: false,
            follows: false,
            rejects: None,
            dry_run: false,
            token: None,
            tenant: None,
            give_up: Duration::from_mins(5),
            state_dir: None,
            views: ViewSet::default(),
        }
    }

    /// Where the records go: how far a file is sent is kept for each place and tenant, and the same file may bring orders and events.
    pub(crate) fn destination(&self) -> String {
        let to = match self.kind {
            RecordKind::Orders => self.to.clone(),
            RecordKind::Events => format!("{} events", self.to),
        };
        match &self.tenant {
            None => to,
            Some(tenant) => format!("{to} of tenant {tenant}"),
        }
    }

    /// A client of these addresses.
    ///
    /// # Errors
    /// [`BadSetting`] where one of them is not valid.
    pub(crate) fn client(&self) -> Result<Client, BadSetting> {
        let bad = |flag: &'static str| move |error: BadAddress| BadSetting::new(format!("{flag} {error}"));
        let mut client = Client::new(&self.to).map_err(bad("--to"))?;
        if let Some(query) = &self.query {
            client = client.reading_from(query).map_err(bad("--query"))?;
        }
        if let Some(tenant) = &self.tenant {
            client = client.for_tenant(tenant.as_str());
        }
        Ok(match &self.token {
            Some(token) => client.with_token(token),
            None => client,
        })
    }
}
