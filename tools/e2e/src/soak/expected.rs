//! What all orders together come to, list by list.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::history::{History, time};
use super::model::List;

const DAY_US: i64 = 86_400_000_000;

/// What every list must have.
#[derive(Default)]
pub(super) struct Expected {
    lists: HashMap<List, OfList>,
}

/// What one list must have.
#[derive(Default)]
pub(super) struct OfList {
    by_status: BTreeMap<&'static str, u64>,
    /// By day, in microseconds since 1970, and currency.
    by_day: BTreeMap<(i64, &'static str), Sums>,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    count: u64,
    gross: i64,
    returned: i64,
}

impl Expected {
    /// Of all orders.
    pub(super) fn of(history: History) -> Self {
        let mut expected = Self::default();
        for sold in history.all() {
            for list in sold.lists() {
                let Some(share) = sold.share(list) else { continue };
                let of_list = expected.lists.entry(list).or_default();
                *of_list.by_status.entry(share.status()).or_default() += 1;
                if let Some(sum) = share.sum() {
                    let day = sold.at_us.div_euclid(DAY_US) * DAY_US;
                    of_list.by_day.entry((day, sold.currency)).or_default().add(sold.is_return, sum);
                }
            }
        }
        expected
    }

    /// Every list that has any order, with what it must have; those of that kind.
    pub(super) fn lists(&self, is_chosen: impl Fn(List) -> bool) -> Vec<(List, &OfList)> {
        let lists = self.lists.iter().map(|(list, of_list)| (*list, of_list));
        lists.filter(|(list, _)| is_chosen(*list)).collect()
    }
}

impl OfList {
    /// How many orders it has.
    pub(super) fn orders(&self) -> u64 {
        self.by_status.values().sum()
    }

    /// How many of them have that status.
    pub(super) fn count(&self, status: &str) -> u64 {
        self.by_status.get(status).copied().unwrap_or_default()
    }

    /// Its totals by day, as an answer has them.
    pub(super) fn totals(&self) -> Value {
        let total = |((day, currency), sums): (&(i64, &str), &Sums)| {
            let Sums { count, gross, returned } = sums;
            let period = time(*day).replace(".000000", "");
            json!({"period": period, "currency": currency, "count": count, "gross": gross, "returned": returned, "net": gross - returned})
        };
        self.by_day.iter().map(total).collect()
    }
}

impl Sums {
    fn add(&mut self, is_return: bool, sum: i64) {
        self.count += 1;
        if is_return { self.returned -= sum } else { self.gross += sum }
    }
}
