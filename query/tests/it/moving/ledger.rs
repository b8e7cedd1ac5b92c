//! What was logged, and what each kind of read must say of it.

use std::collections::BTreeSet;

use forebay_model::Receipt;
use forebay_testkit::service::{Answer, Served};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::scene::{CUSTOMERS, SELLERS};

/// An order that was logged.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) number: u64,
    pub(super) id: String,
    pub(super) receipt: Receipt,
}

impl Known {
    pub(super) fn new(number: u64, id: &str, receipt: Receipt) -> Self {
        Self { number, id: id.to_owned(), receipt }
    }

    pub(super) fn customer(&self) -> String {
        format!("C{}", self.number % CUSTOMERS)
    }

    pub(super) fn seller(&self) -> String {
        format!("S{}", self.number % SELLERS)
    }
}

/// The ids of an answer, each once.
pub(super) fn ids(answer: &Value) -> BTreeSet<String> {
    let rows = answer["data"].as_array().unwrap();
    let ids: Vec<String> = rows.iter().map(|row| row["order_id"].as_str().unwrap().to_owned()).collect();
    let once: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(once.len(), ids.len(), "twice in one answer: {ids:?}");
    let key = |row: &Value| (row["timestamp"].to_string(), row["order_id"].to_string());
    assert!(rows.is_sorted_by(|one, next| key(one) > key(next)), "not newest first: {answer}");
    once
}

/// The ids of some.
pub(super) fn of<'a>(orders: &'a [Known], is_it: impl Fn(&Known) -> bool + 'a) -> BTreeSet<String> {
    orders.iter().filter(|known| is_it(known)).map(|known| known.id.clone()).collect()
}

/// A walk through everybody's orders, a page at a time, whatever happens between two pages.
#[derive(Default)]
pub(super) struct Walk {
    cursor: Option<String>,
    seen: BTreeSet<String>,
    pub(super) walked: u32,
}

impl Walk {
    /// The next page. At the end, every order was seen once.
    pub(super) async fn go_on(&mut self, query: &Served, orders: &[Known], random: &mut StdRng) {
        let cursor = self.cursor.take().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = query.get(&format!("/v1/orders?limit={}{cursor}", random.random_range(5..60))).await.ok();
        for id in ids(&page) {
            assert!(self.seen.insert(id.clone()), "{id} was on an earlier page");
        }
        self.cursor = page["next_cursor"].as_str().map(str::to_owned);
        if self.cursor.is_none() {
            assert_eq!(std::mem::take(&mut self.seen), of(orders, |_| true));
            self.walked += 1;
        }
    }
}

/// Somebody who follows what is stored, some at a time.
pub(super) struct Follower {
    since: String,
    pub(super) seen: BTreeSet<String>,
}

impl Follower {
    /// From the beginning.
    pub(super) fn new() -> Self {
        Self { since: "0".to_owned(), seen: BTreeSet::new() }
    }

    /// What was stored next: none of it was told before.
    pub(super) async fn go_on(&mut self, query: &Served, limit: usize) {
        let piece = query.get(&format!("/v1/changes?since={}&limit={limit}&wait_ms=0", self.since)).await.ok();
        for fact in piece["data"].as_array().unwrap() {
            let id = fact["order"]["order_id"].as_str().unwrap();
            assert!(self.seen.insert(id.to_owned()), "{id} is told twice");
        }
        piece["next"].as_str().unwrap().clone_into(&mut self.since);
    }
}

/// Each kind of read of some of the orders: all of them are stored, and nobody logs any more.
pub(super) async fn check(query: &Served, orders: &[Known], with_receipt: bool, random: &mut StdRng) {
    let one = orders.choose(random).unwrap();
    let (id, customer, seller, receipt) = (&one.id, one.customer(), one.seller(), &one.receipt);
    let of_customer = of(orders, |known| known.customer() == customer);
    let of_seller = of(orders, |known| known.seller() == seller);
    let after = format!("after={receipt}&wait_ms=20000");
    let wish = if with_receipt { after.as_str() } else { "" };
    let get = async |path: String| query.get(&format!("{path}?limit=1000&{wish}")).await.ok();
    assert_eq!(ids(&get(format!("/v1/customers/{customer}/orders")).await), of_customer, "of {customer}, {wish}");
    assert_eq!(ids(&get(format!("/v1/sellers/{seller}/orders")).await), of_seller, "of {seller}, {wish}");
    assert_eq!(ids(&get("/v1/orders".to_owned()).await), of(orders, |_| true), "of everybody, {wish}");
    for path in [format!("/v1/orders/{id}"), format!("/v1/customers/{customer}/orders/{id}")] {
        let found = query.get(&format!("{path}?{wish}")).await.ok();
        assert_eq!((&found["order_id"], &found["customer_id"]), (&json!(id), &json!(customer)));
        let life = query.get(&format!("{path}/events?{wish}")).await.ok();
        assert_eq!(life["data"], json!([]));
    }
    for (path, count) in [
        ("/v1/orders/totals".to_owned(), orders.len()),
        (format!("/v1/customers/{customer}/totals"), of_customer.len()),
        (format!("/v1/sellers/{seller}/totals"), of_seller.len()),
    ] {
        let totals = query.get(&format!("{path}?{wish}")).await.ok();
        let expected =
            json!([{"currency": "EUR", "count": count, "gross": 100 * count, "returned": 0, "net": 100 * count}]);
        assert_eq!(totals["data"], expected, "{path}, {wish}");
    }
    let unknown = query.get(&format!("/v1/orders/NONE{}?{wish}", random.random_range(0..1000))).await;
    unknown.problem(404, "not_found");
    let some: Vec<&str> = orders.sample(random, 20).map(|known| &*known.id).collect();
    let body = json!({"ids": some}).to_string();
    let found = Answer::of(query.post(&format!("/v1/orders/lookup?{wish}"), "application/json", body)).await.ok();
    let found: Vec<_> = found["data"].as_array().unwrap().iter().map(|row| row["order_id"].as_str()).collect();
    assert_eq!(found, some.into_iter().map(Some).collect::<Vec<_>>(), "{wish}");
    let export = query.request(&format!("/v1/orders?{wish}")).header("accept", "application/x-ndjson");
    assert_eq!(exported(export).await, of(orders, |_| true), "an export, {wish}");
    let fate = query.get(&format!("/v1/receipts/{receipt}?wait_ms=20000")).await.ok();
    let told = json!([fate["state"], fate["accepted"], fate["stored"], fate["duplicate"], fate["dead_in_all"]]);
    assert_eq!(told, json!(["stored", 1, 1, 0, 0]), "{fate}");
}

/// The ids of an export, each once.
pub(super) async fn exported(request: reqwest::RequestBuilder) -> BTreeSet<String> {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.unwrap();
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["order_id"].as_str().unwrap().to_owned();
    let ids: Vec<String> = text.lines().map(id).collect();
    let once: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(once.len(), ids.len(), "twice in one export");
    once
}
