//! Where a log is: as flags of a command line, and as this crate takes it.

use std::fmt;
use std::time::Duration;

use async_nats::ServerAddr;
use forebay_task::Spawner;

use crate::connection::security::NatsSecurity;
use crate::error::LogError;
use crate::name::LogName;

/// The servers of a system on this machine.
pub const LOCAL_NATS: &str = "nats://127.0.0.1:4225";

/// Which log: the flags of everything that uses one.
#[derive(Clone, clap::Args)]
pub struct LogArgs {
    /// NATS servers, separated by commas; `tls://user:password@host:4222` where they ask for that
    #[arg(long, env = "FOREBAY_NATS", value_name = "URLS", default_value = LOCAL_NATS, hide_env_values = true)]
    pub nats: String,

    /// How connections to it are made safe.
    #[command(flatten)]
    pub security: NatsSecurity,

    /// What the names of streams and subjects begin with
    #[arg(long, env = "FOREBAY_LOG_PREFIX", value_name = "PREFIX", default_value = "forebay")]
    pub log_prefix: LogName,
}

impl Default for LogArgs {
    /// What stands in `--help`.
    fn default() -> Self {
        Self { nats: LOCAL_NATS.to_owned(), security: NatsSecurity::default(), log_prefix: LogName::default() }
    }
}

/// Without user and password.
impl fmt::Debug for LogArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nats, security, log_prefix } = self;
        f.debug_struct("LogArgs")
            .field("nats", &shown(nats))
            .field("security", security)
            .field("log_prefix", log_prefix)
            .finish()
    }
}

impl LogArgs {
    /// The log that they name.
    ///
    /// # Errors
    /// [`LogError::Address`] where the addresses cannot be read, [`LogError::File`] where a file cannot be used.
    pub fn settings(&self) -> Result<LogSettings, LogError> {
        let settings = LogSettings::new(&self.nats, self.log_prefix.clone());
        let settings = LogSettings { security: self.security.clone(), ..settings };
        settings.check()?;
        Ok(settings)
    }
}

/// Where a log is, and how it is used.
#[derive(Clone)]
pub struct LogSettings {
    /// Addresses of NATS servers of one cluster, separated by commas, such as `nats://127.0.0.1:4225`.
    pub url: String,
    /// How connections to them are made safe.
    pub security: NatsSecurity,
    /// The prefix of the log's streams, subjects and buckets.
    pub name: LogName,
    /// For how long a second frame with the same id is recognised and not stored.
    pub duplicate_window: Duration,
    /// The most bytes of frames that one reader holds ready, where nothing else is said ([`Log::reading_ahead`](crate::Log::reading_ahead)).
    pub read_ahead_bytes: usize,
    /// How its tasks are started.
    pub spawner: Spawner,
}

impl LogSettings {
    /// A duplicate window of two minutes, 4 MiB of frames read ahead, and tasks that
    /// nobody watches, as is right for a command.
    pub fn new(url: impl Into<String>, name: LogName) -> Self {
        Self {
            url: url.into(),
            security: NatsSecurity::default(),
            name,
            duplicate_window: Duration::from_mins(2),
            read_ahead_bytes: 4 << 20,
            spawner: Spawner::default(),
        }
    }

    /// The same, with tasks that are started another way.
    #[must_use]
    pub fn spawned_by(self, spawner: Spawner) -> Self {
        Self { spawner, ..self }
    }

    /// Whether the addresses can be read, and the files.
    ///
    /// # Errors
    /// [`LogError::Address`], [`LogError::File`].
    pub fn check(&self) -> Result<(), LogError> {
        addresses(&self.url)?;
        self.security.check()
    }
}

/// Without user and password.
impl fmt::Debug for LogSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSettings")
            .field("url", &shown(&self.url))
            .field("security", &self.security)
            .field("name", &self.name)
            .field("duplicate_window", &self.duplicate_window)
            .field("read_ahead_bytes", &self.read_ahead_bytes)
            .finish_non_exhaustive()
    }
}

pub(crate) fn addresses(url: &str) -> Result<Vec<ServerAddr>, LogError> {
    let parts: Vec<&str> = url.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Err(LogError::Address(shown(url)));
    }
    parts.into_iter().map(|part| part.parse().map_err(|_| LogError::Address(shown(part)))).collect()
}

/// Addresses as they may stand in a message: without user and password.
pub(crate) fn shown(url: &str) -> String {
    let shown_one = |part: &str| match (part.split_once("://"), part.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        _ => part.to_owned(),
    };
    url.split(',').map(|part| shown_one(part.trim())).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(shown("nats://joe:secret@host:4222, nats://other:4222"), "nats://host:4222,nats://other:4222");
        assert_eq!(shown("joe:secret@host"), "host");
        assert_eq!(shown("127.0.0.1:4225"), "127.0.0.1:4225");
        let settings = LogSettings::new("nats://joe:secret@host", LogName::default());
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn addresses_are_a_list() {
        assert_eq!(addresses("nats://a:1,nats://b:2").unwrap().len(), 2);
        assert!(matches!(addresses(" , "), Err(LogError::Address(_))));
        assert!(matches!(addresses("nats://a:b:c"), Err(LogError::Address(_))));
    }
}
