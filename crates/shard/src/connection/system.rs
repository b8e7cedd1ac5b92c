//! Which system the databases of shards are of, asked of all of them.

use forebay_model::{ShardId, SystemId};
use futures::future::join_all;

use crate::connection::address::ShardAddresses;
use crate::connection::identity::Identity;
use crate::connection::list::ShardList;
use crate::connection::session::{ConnectError, SessionSettings, connect_primary};

/// Why it is not known of which system databases are.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// One cannot be asked.
    #[error("shard {0} cannot be asked of which system it is: {1}")]
    Unreachable(ShardId, ConnectError),
    /// One is somebody else's.
    #[error("shard {0} cannot be used: {1}")]
    Foreign(ShardId, ConnectError),
    /// One does not tell.
    #[error("shard {0} does not tell of which system it is: {1}")]
    Failed(ShardId, sqlx::Error),
    /// They do not agree.
    #[error("shard {0} is of the system {1}, and another one of {2}: the addresses look wrong")]
    Several(ShardId, SystemId, SystemId),
}

/// The system that has taken in these databases; nothing where none of them was taken in. Where there is no map, a system is made only
/// after they were asked, as far as they answer: a log that was lost does not make it another system.
///
/// # Errors
/// [`IdentityError`]; that a shard is away only where none answers.
pub async fn system_of(shards: &ShardList) -> Result<Option<SystemId>, IdentityError> {
    let read =
        join_all(shards.iter().map(|(shard, addresses)| async move { (shard, read_at(shard, addresses).await) }));
    let (mut system, mut away, mut has_answer) = (None, None, false);
    for (shard, found) in read.await {
        let found = match found {
            Err(error @ IdentityError::Unreachable(..)) => {
                away.get_or_insert(error);
                continue;
            }
            found => found?,
        };
        has_answer = true;
        match (system, found) {
            (Some(one), Some(Identity { system: other, .. })) if one != other => {
                return Err(IdentityError::Several(shard, other, one));
            }
            (None, Some(found)) => system = Some(found.system),
            _ => {}
        }
    }
    match away {
        Some(error) if !has_answer => Err(error),
        _ => Ok(system),
    }
}

async fn read_at(shard: ShardId, addresses: &ShardAddresses) -> Result<Option<Identity>, IdentityError> {
    let (mut connection, _) = match connect_primary(addresses, &SessionSettings::for_looking()).await {
        Ok(connected) => connected,
        Err(error) if error.is_foreign() => return Err(IdentityError::Foreign(shard, error)),
        Err(error) => return Err(IdentityError::Unreachable(shard, error)),
    };
    Identity::read(&mut connection).await.map_err(|error| IdentityError::Failed(shard, error))
}
