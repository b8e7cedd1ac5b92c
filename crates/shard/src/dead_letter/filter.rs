//! Which dead letters are meant.

use forebay_model::{Lane, Tenant, Timestamp};

use super::Reason;

/// Letters of one shard. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Of this lane.
    pub lane: Option<Lane>,
    /// That died of this.
    pub reason: Option<Reason>,
    /// Of this tenant's facts, where that can be read.
    pub tenant: Option<Tenant>,
    /// That died at this time or later.
    pub from: Option<Timestamp>,
    /// That died before this time.
    pub to: Option<Timestamp>,
    /// With these numbers.
    pub ids: Option<Vec<i64>>,
    /// That were put into the log again, or that were not.
    pub is_requeued: Option<bool>,
}
