//! Where the servers of a shard are.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use forebay_model::{Member, ShardId, ShardMap};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::connection::identity::{Expected, System};

/// One server of a shard: a `postgres://` URL that names its database. Written out, it hides the password.
#[derive(Clone)]
pub struct ShardAddress {
    url: Arc<str>,
    /// As the URL, and the files that it leads to, were when it was read.
    options: Arc<PgConnectOptions>,
    /// Whose database is to be there.
    expected: Expected,
}

/// The servers of one shard, the primary first. As text, URLs separated by `|`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardAddresses(Vec<ShardAddress>);

/// What is wrong with the text of an address or a list of them. Says no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A shard without an address.
    #[error("an address of a shard is empty")]
    Empty,
    /// Not a URL of a Postgres database.
    #[error("`{0}` is not postgres://user@host:port/database")]
    Url(String),
    /// A URL without the name of a database.
    #[error("`{0}` names no database")]
    Database(String),
    /// Two addresses that are the same database.
    #[error("{0} stands there twice: every shard needs a database of its own")]
    Twice(String),
    /// More shards than there can be.
    #[error("there can be at most 4096 shards")]
    TooMany,
    /// The map says of a shard nothing that leads to it.
    #[error("the map does not say where shard {0} is: name it in --shards")]
    Nowhere(ShardId),
    /// There are fewer shards than a process was told of.
    #[error("--shards names {told} shards, and this system has {found}: leave it out; `forebay shards add` adds one")]
    More {
        /// How many it was told of.
        told: usize,
        /// How many the map has.
        found: usize,
    },
}

impl ShardAddress {
    /// What is known of it without looking anywhere.
    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// What a new connection to it needs: the password file is read again, so that one that has changed is followed.
    pub(crate) fn options_now(&self) -> PgConnectOptions {
        read_url(&self.url).unwrap_or_else(|| (*self.options).clone())
    }

    /// Whose database is to be there.
    pub(crate) fn expected(&self) -> &Expected {
        &self.expected
    }

    /// The URL without its password.
    fn without_password(&self) -> String {
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("postgres", &self.url));
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let user = user.split(':').next().unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let kept: Vec<&str> =
            query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("password=")).collect();
        let at = if user.is_empty() { "" } else { "@" };
        let mark = if kept.is_empty() { "" } else { "?" };
        format!("{scheme}://{user}{at}{host}{path}{mark}{}", kept.join("&"))
    }
}

impl ShardAddresses {
    /// Each address, the primary's first. Never empty.
    pub fn iter(&self) -> impl Iterator<Item = &ShardAddress> {
        self.0.iter()
    }

    /// As the map has them: without passwords.
    pub fn for_map(&self) -> Vec<String> {
        self.iter().map(ShardAddress::without_password).collect()
    }

    /// Whether one of them has a password in it, which the map does not get.
    pub fn has_password(&self) -> bool {
        self.iter().any(|address| address.without_password() != *address.url)
    }

    /// Where the map says that a shard is.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn of_member(member: &Member) -> Result<Self, AddressError> {
        if member.addresses.is_empty() {
            return Err(AddressError::Empty);
        }
        member.addresses.iter().map(|url| url.parse()).collect::<Result<_, _>>().map(Self)
    }

    /// The same, where the database has to be that shard of the map's system.
    #[must_use]
    pub fn as_shard(self, shard: ShardId, map: &ShardMap) -> Self {
        let system = System { id: map.system(), routing: map.hash() };
        self.expecting(Expected { shard: Some(shard), system: Some(system) })
    }

    /// The same, where the database has to be that one.
    #[must_use]
    pub(crate) fn expecting(mut self, expected: Expected) -> Self {
        self.0.iter_mut().for_each(|address| address.expected = expected);
        self
    }
}

impl From<ShardAddress> for ShardAddresses {
    fn from(address: ShardAddress) -> Self {
        Self(vec![address])
    }
}

impl FromStr for ShardAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        let options = read_url(text).ok_or_else(|| AddressError::Url(with_password_hidden(text)))?;
        if options.get_database().is_none() {
            return Err(AddressError::Database(with_password_hidden(text)));
        }
        Ok(Self { url: text.into(), options: Arc::new(options), expected: Expected::default() })
    }
}

fn read_url(text: &str) -> Option<PgConnectOptions> {
    let is_postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
    let options = PgConnectOptions::from_str(text).ok().filter(|_| is_postgres)?;
    // An error is logged once, where it is handled; the client library logs nothing.
    Some(options.disable_statement_logging())
}

impl FromStr for ShardAddresses {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let addresses = text.split('|').map(str::parse).collect::<Result<Vec<ShardAddress>, _>>()?;
        Ok(Self(addresses))
    }
}

/// Hides what stands between `user:` and `@host`, however broken the rest is.
fn with_password_hidden(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let Some((user, host)) = rest.rsplit_once('@') else { return text.to_owned() };
    match user.split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:…@{host}"),
        None => text.to_owned(),
    }
}

/// `host:port/database`
impl fmt::Display for ShardAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.options.get_database().unwrap_or_default();
        match self.options.get_socket() {
            Some(socket) => write!(f, "{}:{}/{database}", socket.display(), self.options.get_port()),
            None => write!(f, "{}:{}/{database}", self.options.get_host(), self.options.get_port()),
        }
    }
}

impl fmt::Debug for ShardAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// By what was said, wherever it leads now, and whose database is to be there.
impl PartialEq for ShardAddress {
    fn eq(&self, other: &Self) -> bool {
        (&self.url, &self.expected) == (&other.url, &other.expected)
    }
}

impl Eq for ShardAddress {}

impl fmt::Display for ShardAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, address) in self.0.iter().enumerate() {
            write!(f, "{}{address}", if place == 0 { "" } else { "|" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_ever_written() {
        let address: ShardAddress = "postgres://u:secret@a:1/x".parse().unwrap();
        assert_eq!(format!("{address} {address:?}"), "a:1/x a:1/x");
    }

    #[test]
    fn the_map_gets_everything_but_the_password() {
        for (said, kept) in [
            ("postgres://u:se:cr@et@a:1/x", "postgres://u@a:1/x"),
            ("postgres://u@a:1/x?password=secret&sslmode=require", "postgres://u@a:1/x?sslmode=require"),
            ("postgresql://u:secret@[::1]:1/x?password=secret", "postgresql://u@[::1]:1/x"),
            ("postgres:///x?host=/run/postgresql", "postgres:///x?host=/run/postgresql"),
        ] {
            let addresses: ShardAddresses = said.parse().unwrap();
            assert_eq!((addresses.for_map(), addresses.has_password()), (vec![kept.to_owned()], said != kept));
            let member = Member { addresses: addresses.for_map(), ..Member::default() };
            assert_eq!(ShardAddresses::of_member(&member).unwrap().to_string(), addresses.to_string());
        }
    }
}
