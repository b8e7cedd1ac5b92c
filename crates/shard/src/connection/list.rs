//! Where all shards are: what the map says, and what a process was told instead.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;

use forebay_model::{Member, ShardId, ShardMap};

use super::address::{AddressError, ShardAddress, ShardAddresses};
use crate::connection::identity::Expected;

/// Shards by number, and where each of them is. As text, the shards' addresses separated by `,`: the place of each is its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardList(BTreeMap<ShardId, ShardAddresses>);

/// The shards that `forebay up` starts: on which a system is made where nothing else is said.
const LOCAL_SHARDS: &str = "postgres://forebay@127.0.0.1:5440/forebay,\
    postgres://forebay@127.0.0.1:5441/forebay,\
    postgres://forebay@127.0.0.1:5442/forebay";

/// The shards: the flag of everything that uses them.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ShardArgs {
    /// Where this process finds shards 0, 1, 2, …, in place of what the map says: separated by `,`; addresses of one shard are separated by
    /// `|`, the primary first. A new system is made on them (where nothing is said, on the three that `forebay up` starts)
    #[arg(long, env = "FOREBAY_SHARDS", value_name = "URLS", hide_env_values = true)]
    pub shards: Option<ShardList>,
}

/// A shard for every bucket is the most that can be used.
const SHARDS_MAX: usize = forebay_model::bucket::BUCKETS as usize;

impl ShardArgs {
    /// The shards of the map, each where this process was told that it is, or else where the map says. A database has to be that shard's of
    /// the map's system.
    ///
    /// # Errors
    /// [`AddressError::More`], [`AddressError::Nowhere`], or what is wrong with an address of the map.
    pub fn of_map(&self, map: &ShardMap) -> Result<ShardList, AddressError> {
        // Of shards that are gone a process may still be told.
        let told = self.shards.as_ref().map(ShardList::len);
        if let Some(told) = told.filter(|&told| told > usize::from(map.next_shard().0)) {
            return Err(AddressError::More { told, found: map.shards().len() });
        }
        let addresses = |shard| {
            let told = self.shards.as_ref().and_then(|told| told.get(shard)).cloned();
            let addresses = match (told, map.member(shard)) {
                (Some(told), _) => told,
                (None, Some(member)) => ShardAddresses::of_member(member)?,
                (None, None) => return Err(AddressError::Nowhere(shard)),
            };
            Ok((shard, addresses.as_shard(shard, map)))
        };
        map.shards().map(addresses).collect::<Result<_, _>>().map(ShardList)
    }

    /// The shards on which a system is made.
    pub fn of_new(&self) -> ShardList {
        self.shards.clone().unwrap_or_else(ShardList::local)
    }
}

impl ShardList {
    fn local() -> Self {
        LOCAL_SHARDS.parse().expect("it is a list of addresses")
    }

    /// The first `count` of them; at least one.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        Self(self.iter().take(count.max(1)).map(|(shard, addresses)| (shard, addresses.clone())).collect())
    }

    /// Each shard with its number, in order.
    pub fn iter(&self) -> impl Iterator<Item = (ShardId, &ShardAddresses)> {
        self.0.iter().map(|(&shard, addresses)| (shard, addresses))
    }

    /// Where a shard is, if there is one with that number.
    pub fn get(&self, shard: ShardId) -> Option<&ShardAddresses> {
        self.0.get(&shard)
    }

    /// How many shards there are; never 0.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Always false: a list has at least one shard.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As the map has them: without passwords and labels.
    pub fn members(&self) -> BTreeMap<ShardId, Member> {
        let member = |addresses: &ShardAddresses| Member { addresses: addresses.for_map(), ..Member::default() };
        self.iter().map(|(shard, addresses)| (shard, member(addresses))).collect()
    }
}

impl FromStr for ShardList {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let shards = text.split(',').map(str::parse).collect::<Result<Vec<ShardAddresses>, _>>()?;
        if shards.len() > SHARDS_MAX {
            return Err(AddressError::TooMany);
        }
        let mut seen = HashSet::new();
        for address in shards.iter().flat_map(ShardAddresses::iter).map(ShardAddress::to_string) {
            if !seen.insert(address.clone()) {
                return Err(AddressError::Twice(address));
            }
        }
        let numbered = (0..).map(ShardId).zip(shards);
        let expecting = |shard| Expected { shard: Some(shard), system: None };
        Ok(Self(numbered.map(|(shard, addresses)| (shard, addresses.expecting(expecting(shard)))).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::Hash;
    use std::num::NonZeroU16;

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

    /// What a process was told goes before what the map says, and is of no shard that the map does not have.
    #[test]
    fn the_map_says_where_shards_are_that_a_process_was_not_told_of() {
        let told = |text: &str| ShardArgs { shards: Some(text.parse().unwrap()) };
        let list = |args: &ShardArgs, map: &ShardMap| {
            args.of_map(map).map(|list| list.iter().map(|(_, addresses)| addresses.to_string()).collect::<Vec<_>>())
        };
        let bare = ShardMap::even(NonZeroU16::new(2).unwrap(), Hash::Md5);
        assert_eq!(list(&ShardArgs::default(), &bare), Err(AddressError::Nowhere(ShardId(0))));
        assert_eq!(list(&told("postgres://u@p:1/x"), &bare), Err(AddressError::Nowhere(ShardId(1))));
        let map = bare.next_with_members(told("postgres://u:p@a:1/x,postgres://u@b:1/x").of_new().members());
        assert_eq!(list(&ShardArgs::default(), &map).unwrap(), ["a:1/x", "b:1/x"]);
        assert_eq!(list(&told("postgres://u@p:1/x"), &map).unwrap(), ["p:1/x", "b:1/x"]);
        let three = told("postgres://u@p:1/x,postgres://u@p:2/x,postgres://u@p:3/x");
        assert_eq!(list(&three, &map), Err(AddressError::More { told: 3, found: 2 }));
    }
}
