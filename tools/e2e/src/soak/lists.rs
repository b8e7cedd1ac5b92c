//! Lists are walked from end to end: every order is in each list that must have it, once, and as the model says.

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::expected::Expected;
use super::history::{History, STATES};
use super::model::List;
use super::report::{Check, Report};
use crate::System;

/// Walks at the same time.
const AT_ONCE: usize = 4;
/// Customers whose lists are looked at status by status; there are far more of them than of other keys.
const CUSTOMERS: u32 = 100;

/// Which lists are looked at together.
type IsOf = fn(List) -> bool;

/// A walk along a list.
struct Walk {
    list: List,
    /// What of it is asked for.
    query: String,
    /// The status that all must have.
    status: Option<&'static str>,
    /// How many orders it must meet; nothing where only the sum of all walks is known.
    orders: Option<u64>,
}

/// Looks at every order, and at every list by each status.
pub(super) async fn check(system: &System, history: History, expected: &Expected, report: &mut Report) -> Result<()> {
    let what = "every order as it is now: status, items and fields, what came back and was paid";
    report.tell(&walk_all(system, history, what.to_owned(), history.orders, months()).await?);
    let kinds: [(&str, IsOf); 4] = [
        ("everybody's orders", |list| list == List::All),
        ("customers' lists", |list| matches!(list, List::Customer(number) if number < CUSTOMERS)),
        ("sellers' lists", |list| matches!(list, List::Seller(_))),
        ("warehouses' lists", |list| matches!(list, List::Warehouse(_))),
    ];
    for (what, is_of) in kinds {
        let lists = expected.lists(is_of);
        let orders = lists.iter().map(|(_, of_list)| of_list.orders()).sum();
        let by_status = |(list, status): (List, &'static str), orders: u64| Walk {
            list,
            query: format!("status={status}"),
            status: Some(status),
            orders: Some(orders),
        };
        let mut walks = Vec::new();
        for (list, of_list) in lists {
            let statuses = ["placed"].into_iter().chain(STATES);
            walks.extend(statuses.map(|status| by_status((list, status), of_list.count(status))));
        }
        let what = format!("{what} by status ({} lists)", walks.len());
        report.tell(&walk_all(system, history, what, orders, walks).await?);
    }
    Ok(())
}

/// Everybody's orders, month by month.
fn months() -> Vec<Walk> {
    let month = |month: u32| {
        let end = if month == 12 { "2026-01".to_owned() } else { format!("2025-{:02}", month + 1) };
        let query = format!("from=2025-{month:02}-01T00:00:00Z&to={end}-01T00:00:00Z");
        Walk { list: List::All, query, status: None, orders: None }
    };
    (1..=12).map(month).collect()
}

async fn walk_all(system: &System, history: History, what: String, orders: u64, walks: Vec<Walk>) -> Result<Check> {
    let mut check = Check { what, expected: orders, ..Check::default() };
    let mut walked = stream::iter(walks).map(|walk| walk.go(system, history)).buffer_unordered(AT_ONCE);
    while let Some((met, wrong)) = walked.try_next().await? {
        check.found += met;
        check.wrong.extend(wrong);
    }
    Ok(check)
}

impl Walk {
    /// Gives how many orders it has met, and what is wrong with them.
    async fn go(self, system: &System, history: History) -> Result<(u64, Vec<String>)> {
        let path = format!("{}?limit=1000&{}", self.list.path(), self.query);
        let (mut met, mut wrong, mut cursor, mut last) = (0, Vec::new(), String::new(), None);
        loop {
            let (status, page) = system.get(&format!("{path}{cursor}")).await?;
            ensure!(status == 200, "{path}{cursor}: {status}: {page}");
            for order in page["data"].as_array().into_iter().flatten() {
                met += 1;
                let place = Some((text(order, "timestamp"), text(order, "order_id")));
                // Newest first, so none of them twice.
                if last.is_some() && place >= last {
                    wrong.push(format!("{path}: {place:?} stands behind {last:?}"));
                }
                last = place;
                wrong.extend(self.differs(history, order).map(|why| format!("{path}: {why}")));
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        if self.orders.is_some_and(|orders| orders != met) {
            wrong.push(format!("{path} has {met} orders, not {:?}", self.orders));
        }
        Ok((met, wrong))
    }

    /// What is wrong with an order, if anything is.
    fn differs(&self, history: History, order: &Value) -> Option<String> {
        let Some(sold) = history.find(&text(order, "order_id")) else { return Some(format!("nobody sent {order}")) };
        let Some(share) = sold.share(self.list) else { return Some(format!("it does not belong there: {order}")) };
        let expected = share.json();
        let is_right = *order == expected && self.status.is_none_or(|status| order["status"] == status);
        (!is_right).then(|| format!("{order}, not {expected}; {sold:?}"))
    }
}

fn text(order: &Value, field: &str) -> String {
    order[field].as_str().unwrap_or_default().to_owned()
}
