//! What the orders of each hour, and those of each day that a view's key sees, are said to come to, against the orders as they are now. Both are of one snapshot, so they must be equal.

use anyhow::Result;
use forebay_model::Lane;
use forebay_shard::check::{Snapshot, WrongSum};

use crate::verify::report::DifferenceKind;
use crate::verify::verification::Verification;

/// The most hours or days that are named.
const NAMED_MAX: i64 = 20;

impl Verification<'_> {
    /// Compares the sums of every hour of everybody's orders, and of every day of each view's keys.
    pub(super) async fn sums(&mut self, snapshot: &mut Snapshot, lane: Lane) -> Result<()> {
        let unit = if lane == Lane::Views { "the day" } else { "the hour" };
        for wrong in snapshot.wrong_sums(lane, NAMED_MAX).await? {
            let WrongSum { period, whose, kind, currency, orders, total, orders_said, total_said } = wrong;
            let detail = format!(
                "{orders_said} orders of kind {kind} of {unit} {period}{whose} are said to come to {total_said} {currency}, \
                 and there are {orders}, which come to {total}"
            );
            self.report.differs(snapshot.shard(), lane, DifferenceKind::Sum, detail);
        }
        Ok(())
    }
}
