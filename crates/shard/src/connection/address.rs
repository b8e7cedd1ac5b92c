//! Where the shards are: each has one or more addresses, and the list of all of them gives the shards their numbers.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use forebay_model::{ShardId, ShardMap};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::identity::{Expected, System};

/// One server of a shard: a `postgres://` URL that names its database. Written out, it hides the password.
#[derive(Clone)]
pub struct ShardAddress {
    options: Arc<PgConnectOptions>,
    /// Whose database is to be there; clones share it.
    expected: Expected,
}

/// The servers of one shard, the primary first. As text, URLs separated by `|`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardAddresses(Vec<ShardAddress>);

/// Every shard; its place is its number. As text, the shards' addresses separated by `,`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardList(Vec<ShardAddresses>);

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
}

/// The shards that `forebay up` starts: what settings name where nothing else is said.
pub const LOCAL_SHARDS: &str = "postgres://forebay@127.0.0.1:5440/forebay,\
    postgres://forebay@127.0.0.1:5441/forebay,\
    postgres://forebay@127.0.0.1:5442/forebay";

/// The shards: the flag of everything that uses them.
#[derive(Clone, Debug, clap::Args)]
pub struct ShardArgs {
    /// The shards, separated by `,`; addresses of one shard are separated by `|`, the primary first
    #[arg(long, env = "FOREBAY_SHARDS", value_name = "URLS", hide_env_values = true, default_value = LOCAL_SHARDS)]
    pub shards: ShardList,
}

impl Deref for ShardArgs {
    type Target = ShardList;

    fn deref(&self) -> &ShardList {
        &self.shards
    }
}

/// A shard for every bucket is the most that can be used.
const SHARDS_MAX: usize = forebay_model::routing::bucket::BUCKETS as usize;

impl ShardAddress {
    /// What a connection to it needs.
    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Whose database is to be there.
    pub(crate) fn expected(&self) -> &Expected {
        &self.expected
    }
}

impl ShardAddresses {
    /// Each address, the primary's first. Never empty.
    pub fn iter(&self) -> impl Iterator<Item = &ShardAddress> {
        self.0.iter()
    }
}

impl From<ShardAddress> for ShardAddresses {
    fn from(address: ShardAddress) -> Self {
        Self(vec![address])
    }
}

impl ShardList {
    /// Each shard with its number.
    pub fn iter(&self) -> impl Iterator<Item = (ShardId, &ShardAddresses)> {
        (0..).map(ShardId).zip(&self.0)
    }

    /// Where a shard is, if there is one with that number.
    pub fn get(&self, shard: ShardId) -> Option<&ShardAddresses> {
        self.0.get(usize::from(shard.0))
    }

    /// How many shards there are; never 0.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Has every connection checked that is made from now on, with these addresses or clones of them: it is to be of the map's system.
    /// The first call counts.
    pub fn set_system(&self, map: &ShardMap) {
        if let Some(address) = self.0.iter().flat_map(ShardAddresses::iter).next() {
            let _ = address.expected.system.set(System { id: map.system(), routing: map.hash() });
        }
    }

    /// Always false: a list has at least one shard.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for ShardAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        let is_postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let options = PgConnectOptions::from_str(text).ok().filter(|_| is_postgres);
        let options = options.ok_or_else(|| AddressError::Url(without_password(text)))?;
        if options.get_database().is_none() {
            return Err(AddressError::Database(without_password(text)));
        }
        // An error is logged once, where it is handled; the client library logs nothing.
        Ok(Self { options: Arc::new(options.disable_statement_logging()), expected: Expected::default() })
    }
}

impl FromStr for ShardAddresses {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let addresses = text.split('|').map(str::parse).collect::<Result<Vec<ShardAddress>, _>>()?;
        Ok(Self(addresses))
    }
}

impl FromStr for ShardList {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let mut shards = text.split(',').map(str::parse).collect::<Result<Vec<ShardAddresses>, _>>()?;
        if shards.len() > SHARDS_MAX {
            return Err(AddressError::TooMany);
        }
        let mut seen = std::collections::HashSet::new();
        for address in shards.iter().flat_map(ShardAddresses::iter) {
            let name = address.to_string();
            if !seen.insert(name.clone()) {
                return Err(AddressError::Twice(name));
            }
        }
        let system = Arc::default();
        for (number, shard) in (0..).map(ShardId).zip(&mut shards) {
            for address in &mut shard.0 {
                address.expected = Expected { shard: Some(number), system: Arc::clone(&system) };
            }
        }
        Ok(Self(shards))
    }
}

/// Takes out what stands between `user:` and `@host`, however broken the rest is.
fn without_password(text: &str) -> String {
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

impl PartialEq for ShardAddress {
    fn eq(&self, other: &Self) -> bool {
        self.options.to_url_lossy() == other.options.to_url_lossy()
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
    fn shards_are_numbered_by_their_place() {
        let list: ShardList = "postgres://u@a:1/x, postgresql://u@b:2/x|postgres://u@c:3/x".parse().unwrap();
        let shards: Vec<_> = list.iter().map(|(shard, addresses)| format!("{shard}={addresses}")).collect();
        assert_eq!(shards, ["0=a:1/x", "1=b:2/x|c:3/x"]);
        assert!(list.get(ShardId(2)).is_none());
    }

    #[test]
    fn a_wrong_address_is_one_sentence_without_the_password() {
        let refused = |text: &str| text.parse::<ShardList>().unwrap_err().to_string();
        assert_eq!(refused(""), "an address of a shard is empty");
        assert_eq!(refused("postgres://u@a:1/x,"), "an address of a shard is empty");
        assert_eq!(refused("mysql://u:secret@a/x"), "`mysql://u:…@a/x` is not postgres://user@host:port/database");
        assert_eq!(
            refused("postgres://u:secret@a:port/x"),
            "`postgres://u:…@a:port/x` is not postgres://user@host:port/database"
        );
        assert_eq!(refused("postgres://u:secret@a:1"), "`postgres://u:…@a:1` names no database");
        assert!(refused("postgres://u@a:1/x,postgres://v@a:1/x").starts_with("a:1/x stands there twice"));
    }

    #[test]
    fn no_password_is_ever_written() {
        let address: ShardAddress = "postgres://u:secret@a:1/x".parse().unwrap();
        assert_eq!(format!("{address} {address:?}"), "a:1/x a:1/x");
    }
}
