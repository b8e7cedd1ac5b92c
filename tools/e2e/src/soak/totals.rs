//! Totals by day: of everybody's orders, and of each customer, seller and warehouse.

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};

use super::expected::{Expected, OfList};
use super::model::List;
use super::report::{Check, Report};
use crate::System;

/// Questions at the same time.
const AT_ONCE: usize = 4;
/// What is asked for.
pub(super) const YEAR_BY_DAY: &str = "by=day&from=2025-01-01T00:00:00Z&to=2026-01-01T00:00:00";

/// Which lists are looked at together.
type IsOf = fn(List) -> bool;

/// Looks at the totals of every list.
pub(super) async fn check(system: &System, expected: &Expected, report: &mut Report) -> Result<()> {
    let kinds: [(&str, IsOf); 4] = [
        ("everybody's orders", |list| list == List::All),
        ("each customer", |list| matches!(list, List::Customer(_))),
        ("each seller", |list| matches!(list, List::Seller(_))),
        ("each warehouse", |list| matches!(list, List::Warehouse(_))),
    ];
    for (what, is_of) in kinds {
        let lists = expected.lists(is_of);
        let mut check =
            Check { what: format!("totals by day of {what}"), expected: lists.len() as u64, ..Check::default() };
        let asked = stream::iter(lists).map(|(list, of_list)| differs(system, list, of_list));
        let mut asked = asked.buffer_unordered(AT_ONCE);
        while let Some(wrong) = asked.try_next().await? {
            check.found += 1;
            check.wrong.extend(wrong);
        }
        report.tell(&check);
    }
    Ok(())
}

/// What is wrong with the totals of a list, if anything is.
async fn differs(system: &System, list: List, of_list: &OfList) -> Result<Option<String>> {
    let path = format!("{}?{YEAR_BY_DAY}Z", list.totals());
    let (status, totals) = system.get(&path).await?;
    ensure!(status == 200, "{path}: {status}: {totals}");
    let expected = of_list.totals();
    let [found, expected] = [&totals["data"], &expected].map(|data| data.as_array().map_or(&[][..], Vec::as_slice));
    let other = (0..found.len().max(expected.len())).find(|place| found.get(*place) != expected.get(*place));
    Ok(other.map(|place| format!("{path}: {:?}, not {:?}", found.get(place), expected.get(place))))
}
