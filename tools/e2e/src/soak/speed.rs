//! How fast questions are answered that no cache has met.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::model::List;
use super::totals::YEAR_BY_DAY;
use crate::System;

/// So often each is asked, one after the other.
const TIMES: u32 = 200;

/// Asks each question many times, and says how long half of the answers and all but one in a hundred took. A target that is missed is told.
pub(super) async fn measure(system: &System) -> Result<()> {
    let open = |list: List| format!("{}?status=placed&to=2026-01-01T00:00:00", list.path());
    let totals = |list: List| format!("{}?{YEAR_BY_DAY}", list.totals());
    let questions = [
        ("a page of the open orders of the large warehouse", open(List::Warehouse(0)), Some(50)),
        ("a page of the open orders of a seller", open(List::Seller(0)), Some(50)),
        ("a customer's 50 newest orders", format!("{}?to=2026-01-01T00:00:00", List::Customer(1).path()), None),
        ("totals of everybody's orders, a year by day", totals(List::All), Some(300)),
        ("the same of the large warehouse", totals(List::Warehouse(0)), None),
        ("the same of a seller", totals(List::Seller(0)), None),
        ("the same of the customer with an order in a hundred", totals(List::Customer(0)), None),
    ];
    for (what, path, most_ms) in questions {
        let mut took = Vec::new();
        let mut rows = 0;
        for number in 0..TIMES {
            // Each has another end, a microsecond later, so that no cache has its answer.
            let begun = Instant::now();
            let answer = system.begin_export(&format!("{path}.{number:06}Z"), "application/json").await?;
            let from = answer.headers().get("forebay-cache").and_then(|from| from.to_str().ok()).unwrap_or_default();
            ensure!(from == "miss", "{path} came from `{from}`");
            let body = answer.bytes().await?;
            took.push(begun.elapsed());
            let body: Value = serde_json::from_slice(&body)?;
            rows = body["data"].as_array().map_or(0, Vec::len);
        }
        tell(what, rows, &mut took, most_ms);
    }
    Ok(())
}

fn tell(what: &str, rows: usize, took: &mut [Duration], most_ms: Option<u128>) {
    took.sort_unstable();
    let of = |part: usize| took[(took.len() * part / 100).min(took.len() - 1)];
    let [half, most] = [of(50), of(99)];
    let target = most_ms.map_or(String::new(), |ms| {
        let verdict = if most.as_millis() <= ms { "met" } else { "MISSED" };
        format!(", target {ms} ms: {verdict}")
    });
    let ms = |took: Duration| took.as_secs_f64() * 1000.0;
    println!("     {what} ({rows} rows), not cached: p50 {:.1} ms, p99 {:.1} ms{target}", ms(half), ms(most));
}
