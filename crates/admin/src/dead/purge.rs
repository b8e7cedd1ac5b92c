//! Deleting letters. What was requeued is in the log again and can go; what was not is the only trace of a fact, so it goes only
//! when that is said.

use anyhow::{Context, Result};
use forebay_shard::{DeadLetter, LetterFilter};
use serde::Serialize;
use serde_json::json;

use super::address::LetterAddress;
use super::pool::pool_settings;
use super::selection::Selection;
use crate::audit::recorded;
use crate::system::System;

/// What was deleted.
#[derive(Debug, Serialize)]
pub struct Purged {
    /// Letters that are gone.
    pub purged: u64,
    /// Letters that stay, because they were not requeued.
    pub kept: u64,
    /// Letters that were named and are not there.
    pub missing: Vec<LetterAddress>,
}

/// Deletes letters; those that were not requeued too, if that is said.
///
/// # Errors
/// Where it is not clear which letters are meant, or what cannot be reached.
pub async fn purge(system: &System, selection: &Selection, unrequeued: bool) -> Result<Purged> {
    selection.check(system)?;
    let asked = json!({"letters": selection.to_string(), "unrequeued": unrequeued});
    let done = |purged: &Purged| json!({"purged": purged.purged, "kept": purged.kept});
    recorded(system, selection.filters.shard, ("dead purge", asked), done, purge_them(system, selection, unrequeued))
        .await
}

async fn purge_them(system: &System, selection: &Selection, unrequeued: bool) -> Result<Purged> {
    let missing = selection.missing(system).await?;
    let (mut purged, mut kept) = (0, 0);
    for pool in system.pools(selection.filters.shard, &pool_settings())? {
        let Some(filter) = selection.filter(pool.shard()) else { continue };
        let mut connection = pool.acquire().await?;
        let gone = LetterFilter { is_requeued: (!unrequeued).then_some(true), ..filter.clone() };
        let deleted = DeadLetter::purge(&mut connection, &gone).await;
        purged += deleted.with_context(|| format!("the dead letters of shard {} cannot be deleted", pool.shard()))?;
        let left = DeadLetter::counts(&mut connection, &filter).await?;
        kept += left.iter().map(|count| count.letters).sum::<u64>();
    }
    Ok(Purged { purged, kept, missing })
}
