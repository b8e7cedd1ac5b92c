//! What orders come to: sums of several shards, added up.

use std::collections::BTreeMap;

use forebay_api::totals::Total;
use forebay_model::{OrderKind, Timestamp};
use forebay_shard::read::SumRow;

/// Sums by period and currency.
#[derive(Debug, Default)]
pub(crate) struct Sums(BTreeMap<(Option<Timestamp>, String), Sum>);

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    gross: i128,
    returned: i128,
}

impl Sums {
    /// Adds what a shard has summed.
    pub(crate) fn add(&mut self, row: SumRow) {
        let SumRow { period, kind, currency, orders, total } = row;
        let sum = self.0.entry((period, currency)).or_default();
        sum.count += orders;
        match kind {
            OrderKind::Sale => sum.gross += total,
            OrderKind::Return => sum.returned -= total,
        }
    }

    /// Adds sums that were added up already.
    pub(crate) fn add_total(&mut self, total: &Total) {
        let sum = self.0.entry((None, total.currency.clone())).or_default();
        sum.count += total.count;
        sum.gross += total.gross;
        sum.returned += total.returned;
    }

    /// How many periods and currencies there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// As they are answered.
    pub(crate) fn into_totals(self) -> Vec<Total> {
        let total = |((period, currency), Sum { count, gross, returned }): ((Option<Timestamp>, String), Sum)| Total {
            period: period.map(|period| period.to_string()),
            currency,
            count,
            gross,
            returned,
            net: gross - returned,
        };
        self.0.into_iter().map(total).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sales_bring_and_returns_take_is_summed_by_currency() {
        let mut sums = Sums::default();
        let mut add = |kind, currency: &str, orders, total| {
            sums.add(SumRow { period: None, kind, currency: currency.to_owned(), orders, total });
        };
        add(OrderKind::Sale, "EUR", 3, 1000);
        add(OrderKind::Return, "EUR", 1, -300);
        add(OrderKind::Sale, "EUR", 1, 7);
        add(OrderKind::Return, "USD", 2, -5);
        let huge = i128::from(i64::MAX) * 2;
        add(OrderKind::Sale, "YEN", 2, huge);
        let total = |currency: &str, count, gross, returned, net| Total {
            period: None,
            currency: currency.to_owned(),
            count,
            gross,
            returned,
            net,
        };
        let expected = [total("EUR", 5, 1007, 300, 707), total("USD", 2, 0, 5, -5), total("YEN", 2, huge, 0, huge)];
        assert_eq!(sums.into_totals(), expected);
    }
}
