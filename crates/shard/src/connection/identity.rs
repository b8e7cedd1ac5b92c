//! Whose database it is: the system and the shard's number, written when the database is first taken in, and asked on every new
//! connection. So nothing is read from, or written to, the tables of another shard where addresses were exchanged.

use std::fmt;

use forebay_model::{Hash, ShardId, SystemId};
use sqlx::postgres::PgConnection;

use crate::connection::sqlstate::ErrorClass;

/// Whose a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Of this system.
    pub system: SystemId,
    /// And of this shard of it.
    pub shard: ShardId,
}

/// Whose the database at an address is to be, as far as that is known: the settings tell the number, and the map the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) shard: Option<ShardId>,
    pub(crate) system: Option<System>,
}

/// What the map says of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct System {
    pub(crate) id: SystemId,
    pub(crate) routing: Hash,
}

/// The database at an address is somebody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    found: Identity,
    expected: Option<ShardId>,
    system: Option<SystemId>,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity { system, shard } = self.found;
        if let Some(ours) = self.system.filter(|ours| *ours != system) {
            return write!(
                f,
                "it is shard {shard} of another system ({system}), and this one is {ours}: the address looks wrong"
            );
        }
        let expected = self.expected.unwrap_or(shard);
        write!(
            f,
            "it is shard {shard}, and --shards or the map names it in the place of shard {expected}: these addresses look exchanged"
        )
    }
}

impl std::error::Error for Foreign {}

impl Identity {
    /// What a database says; nothing where it was not taken in yet.
    ///
    /// # Errors
    /// What the server says.
    pub async fn read(connection: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        const SQL: &str = "select system, shard from shard_identity";
        let read = sqlx::query_as::<_, (String, i16)>(SQL).persistent(false).fetch_optional(connection).await;
        let (system, shard) = match read {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(None),
            // It has no tables yet, or is not one of ours.
            Err(error) if ErrorClass::of(&error) == ErrorClass::Schema => return Ok(None),
            Err(error) => return Err(error),
        };
        let system = SystemId::try_from(system).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Some(Self { system, shard: ShardId(shard.cast_unsigned()) }))
    }

    /// Writes it into a database that was not taken in yet.
    ///
    /// # Errors
    /// What the server says.
    pub(crate) async fn write(self, routing: Hash, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        const SQL: &str =
            "insert into shard_identity (system, shard, routing) values ($1, $2, $3) on conflict do nothing";
        let insert = sqlx::query(SQL).bind(self.system.to_string()).bind(self.shard.0.cast_signed());
        insert.bind(routing.as_str()).execute(connection).await.map(|_| ())
    }
}

impl Expected {
    /// What a database that is taken in now is told, where all of it is known.
    pub(crate) fn identity(&self) -> Option<(Identity, Hash)> {
        let System { id, routing } = self.system?;
        Some((Identity { system: id, shard: self.shard? }, routing))
    }

    /// Whether a database that says so is the one.
    ///
    /// # Errors
    /// [`Foreign`].
    pub(crate) fn check(&self, found: Option<Identity>) -> Result<(), Foreign> {
        let Some(found) = found else { return Ok(()) };
        let system = self.system.map(|system| system.id);
        let is_ours = system.is_none_or(|system| system == found.system);
        if is_ours && self.shard.is_none_or(|shard| shard == found.shard) {
            return Ok(());
        }
        Err(Foreign { found, expected: self.shard, system })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_expected_and_what_differs_is_named() {
        let identity = |system, shard| Identity { system: SystemId::new(system), shard: ShardId(shard) };
        let mut expected = Expected { shard: Some(ShardId(0)), system: None };
        assert_eq!(
            [None, Some(identity(1, 0)), Some(identity(2, 0))].map(|found| expected.check(found)),
            [Ok(()), Ok(()), Ok(())]
        );
        let said = |expected: &Expected, found| expected.check(Some(found)).unwrap_err().to_string();
        assert_eq!(
            said(&expected, identity(1, 2)),
            "it is shard 2, and --shards or the map names it in the place of shard 0: these addresses look exchanged"
        );
        expected.system = Some(System { id: SystemId::new(1), routing: Hash::Md5 });
        assert_eq!(expected.check(Some(identity(1, 0))), Ok(()));
        assert!(
            said(&expected, identity(2, 0))
                .contains("of another system (0000000000000002), and this one is 0000000000000001")
        );
        assert_eq!(Expected::default().check(Some(identity(1, 2))), Ok(()));
    }
}
