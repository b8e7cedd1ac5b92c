//! A letter as it is shown.

use std::collections::BTreeSet;

use forebay_model::{Lane, ShardId};
use forebay_shard::DeadLetter;
use serde::Serialize;
use serde_json::value::RawValue;

use super::address::LetterAddress;
use crate::columns::{self, columns};
use crate::hex::hex;

/// A letter as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    address: String,
    lane: Lane,
    reason: &'static str,
    detail: String,
    sqlstate: Option<String>,
    customer_id: Option<String>,
    order_id: Option<String>,
    ordered_at: Option<String>,
    /// The columns by which the content differs from what is stored; only of a conflict.
    differs: Vec<String>,
    content: Option<Box<RawValue>>,
    stored: Option<Box<RawValue>>,
    position: String,
    row: u32,
    rows: u32,
    epoch: u64,
    enqueued_at: Option<String>,
    died_at: String,
    requeued_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
}

impl Shown {
    /// Everything but the bytes.
    pub(super) fn brief(shard: ShardId, letter: &DeadLetter) -> Self {
        let raw = |text: &Option<String>| RawValue::from_string(text.clone()?).ok();
        Self {
            address: LetterAddress { shard, id: letter.id }.to_string(),
            lane: letter.lane,
            reason: letter.reason.as_str(),
            detail: letter.detail.clone(),
            sqlstate: letter.sqlstate.clone(),
            customer_id: letter.customer_id.clone(),
            order_id: letter.order_id.clone(),
            ordered_at: letter.ordered_at.map(|at| at.to_string()),
            differs: differing(letter).into_iter().collect(),
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
pub(super) fn differing(letter: &DeadLetter) -> BTreeSet<String> {
    let Some(stored) = letter.stored.as_deref() else { return BTreeSet::new() };
    columns::differing(&columns(letter.content.as_deref().unwrap_or_default()), &columns(stored))
}
