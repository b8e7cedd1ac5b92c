//! Everything that is known of one letter.

use anyhow::{Context, Result};
use forebay_shard::{DeadLetter, LetterFilter};

use super::address::LetterAddress;
use super::letter::LetterReport;
use super::pool::pool_settings;
use crate::system::System;

/// Looks at a letter.
///
/// # Errors
/// Where it is not there, or its shard cannot be reached.
pub async fn show(system: &System, address: LetterAddress) -> Result<LetterReport> {
    let LetterAddress { shard, id } = address;
    let pools = system.pools(Some(shard), &pool_settings())?;
    let pool = pools.first().context("there is no such shard")?;
    let mut connection = pool.acquire().await?;
    let filter = LetterFilter { ids: Some(vec![id]), ..LetterFilter::default() };
    let letters = DeadLetter::newest(&mut connection, &filter, 1).await;
    let letters = letters.with_context(|| format!("the dead letters of shard {shard} cannot be read"))?;
    let letter = letters.first().with_context(|| format!("there is no dead letter {address}"))?;
    Ok(LetterReport::whole(shard, letter))
}
