//! A letter as it is reported.

use std::collections::BTreeSet;

use forebay_model::{Lane, ShardId};
use forebay_shard::{DeadLetter, Reason};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::address::LetterAddress;
use crate::facts::columns::{self, columns};
use crate::hex::hex;

/// Everything that is known of a letter.
#[derive(Debug, Serialize)]
pub struct LetterReport {
    /// Its address.
    pub address: LetterAddress,
    /// The lane that it was in.
    pub lane: Lane,
    /// Why it is dead.
    #[serde(serialize_with = "reason")]
    pub reason: Reason,
    /// What exactly was wrong.
    pub detail: String,
    /// What Postgres said, as a code.
    pub sqlstate: Option<String>,
    /// The fact's tenant, where there is one and it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The fact's customer, where that can be read.
    pub customer_id: Option<String>,
    /// The fact's order, where that can be read.
    pub order_id: Option<String>,
    /// The fact's time, where that can be read.
    pub ordered_at: Option<String>,
    /// The columns by which the content differs from what is stored; only of a conflict.
    pub differs: BTreeSet<String>,
    /// The fact by column, as far as it can be read.
    pub content: Option<Box<RawValue>>,
    /// Of a conflict: the fact that was stored first, by column.
    pub stored: Option<Box<RawValue>>,
    /// The frame that it stood in.
    pub position: String,
    /// Its row within the frame, from 0.
    pub row: u32,
    /// How many rows of the log it stands for.
    pub rows: u32,
    /// The shard map's epoch that the frame was made under.
    pub epoch: u64,
    /// When it was logged.
    pub enqueued_at: Option<String>,
    /// When it died.
    pub died_at: String,
    /// When it was put into the log again.
    pub requeued_at: Option<String>,
    /// Its bytes in hexadecimal, where it is asked for by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

impl LetterReport {
    /// Everything but the bytes.
    pub(super) fn brief(shard: ShardId, letter: &DeadLetter) -> Self {
        let raw = |text: &Option<String>| RawValue::from_string(text.clone()?).ok();
        Self {
            address: LetterAddress { shard, id: letter.id },
            lane: letter.lane,
            reason: letter.reason,
            detail: letter.detail.clone(),
            sqlstate: letter.sqlstate.clone(),
            tenant: letter.tenant.clone().filter(|tenant| !tenant.is_empty()),
            customer_id: letter.customer_id.clone(),
            order_id: letter.order_id.clone(),
            ordered_at: letter.ordered_at.map(|at| at.to_string()),
            differs: differing(letter),
            content: raw(&letter.content),
            stored: raw(&letter.stored),
            position: letter.position.to_string(),
            row: letter.row,
            rows: letter.rows,
            epoch: letter.epoch.0,
            enqueued_at: letter.enqueued_at.map(|at| at.to_string()),
            died_at: letter.died_at.to_string(),
            requeued_at: letter.requeued_at.map(|at| at.to_string()),
            bytes: None,
        }
    }

    /// Everything.
    pub(super) fn whole(shard: ShardId, letter: &DeadLetter) -> Self {
        Self { bytes: Some(hex(&letter.tuple)), ..Self::brief(shard, letter) }
    }
}

/// The columns in which a conflict differs from what was stored first.
fn differing(letter: &DeadLetter) -> BTreeSet<String> {
    let Some(stored) = letter.stored.as_deref() else { return BTreeSet::new() };
    columns::differing(&columns(letter.content.as_deref().unwrap_or_default()), &columns(stored))
}

/// A reason by its name.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
pub(super) fn reason<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.as_str())
}
