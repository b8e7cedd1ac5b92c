//! What the totals of a list must be, order by order.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The answer to a question for totals by `by`, of orders each with what it comes to there.
pub fn totals_of<'a>(orders: impl IntoIterator<Item = (&'a Value, i64)>, by: Option<&str>) -> Value {
    let mut sums: BTreeMap<(Option<String>, &str), (u64, i64, i64)> = BTreeMap::new();
    for (order, sum) in orders {
        let text = order["timestamp"].as_str().expect("a time");
        let period = by.map(|by| match by {
            "hour" => format!("{}:00:00Z", &text[..13]),
            "day" => format!("{}T00:00:00Z", &text[..10]),
            _ => format!("{}-01T00:00:00Z", &text[..7]),
        });
        let entry = sums.entry((period, order["currency"].as_str().expect("a currency"))).or_default();
        entry.0 += 1;
        *(if order["kind"] == "sale" { &mut entry.1 } else { &mut entry.2 }) += sum;
    }
    let total = |((period, currency), (count, gross, returned)): ((Option<String>, &str), (u64, i64, i64))| {
        let mut total = json!({"currency": currency, "count": count, "gross": gross, "returned": -returned, "net": gross + returned});
        if let Some(period) = period {
            total["period"] = period.into();
        }
        total
    };
    json!({"data": sums.into_iter().map(total).collect::<Vec<_>>(), "shards_missing": []})
}

/// What items come to.
pub fn sum_of<'a>(items: impl IntoIterator<Item = &'a Value>) -> i64 {
    let number = |item: &Value, name: &str| item[name].as_i64().expect("a number");
    items.into_iter().map(|item| number(item, "quantity") * number(item, "price")).sum()
}
