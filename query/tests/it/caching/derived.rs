//! What follows from orders comes behind them: a receipt of orders is good for every read all the same, and an answer that may lack
//! something says so.

use forebay_model::{Bucket, Receipt, ShardId, StreamKind, Tenant, Timestamp};
use forebay_testkit::eventually;
use forebay_testkit::service::{Answer, Served};
use serde_json::{Value, json};

use crate::caching::cache::heard;
use crate::scene::{Scene, order_ids, start_query};

const SELLER: &str = "/v1/sellers/S1/orders";
const NOW: &str = "2025-06-30T12:30:00.000000Z";

fn order(id: &str, customer: &str) -> Value {
    json!({
        "order_id": id, "customer_id": customer, "timestamp": NOW,
        "items": [{"sku": "x", "quantity": 1, "price": 5, "seller_id": "S1"}]
    })
}

/// Three shards; orders are of a customer of `source`, and what the seller sees is on `target`, which is another one.
struct Pair {
    scene: Scene,
    source: ShardId,
    target: ShardId,
    customer: String,
}

impl Pair {
    async fn start(name: &str) -> Self {
        let scene = Scene::start(name).await;
        let target = scene.writing.map.shard(StreamKind::Derived, Bucket::of_key(Tenant::none(), "S1"));
        let source = ShardId((target.0 + 1) % 3);
        let customer = scene.writing.customer_of(source);
        Self { scene, source, target, customer }
    }

    async fn log(&mut self, id: &str) -> Receipt {
        self.scene.writing.log(&[order(id, &self.customer)]).await.1
    }

    async fn write(&mut self, id: &str) -> Receipt {
        self.scene.writing.write(&[order(id, &self.customer)]).await.1
    }

    /// Logs and commits an order, and publishes what follows, with notices, but does not commit that.
    async fn publish(&mut self, id: &str) -> Receipt {
        let receipt = self.log(id).await;
        self.scene.writing.commit_kind(StreamKind::Logged, true).await;
        self.scene.writing.derive_all(true).await;
        receipt
    }

    /// The seller's list, as a page that nobody has read before.
    async fn seller(&self, query: &Served, receipt: &Receipt, limit: usize) -> Answer {
        query.get(&format!("{SELLER}?after={receipt}&wait_ms=0&limit={limit}")).await
    }

    /// A service that has heard nothing.
    async fn other(&self) -> Served {
        start_query(&self.scene.log, &self.scene.shards.urls, &[]).await
    }

    fn not_derived(&self) -> String {
        let Self { source, target, .. } = self;
        format!(
            "what follows from the receipt is not yet in shard {target}: shard {source} has not derived past frame 1 for it"
        )
    }

    fn not_there(&self, seq: u64) -> String {
        let target = self.target;
        format!("what the receipt names is not yet in shard {target}: its derived stream has not come to frame {seq}")
    }

    /// An id whose index entries are on a shard.
    fn id_on(&self, shard: ShardId) -> String {
        (0..1000).map(|n| format!("X{n}")).find(|id| self.index_shard(id) == shard).unwrap()
    }

    fn index_shard(&self, id: &str) -> ShardId {
        self.scene.writing.map.shard(StreamKind::Derived, Bucket::of_key(Tenant::none(), id))
    }

    /// From now on the target is owed what follows from the source's orders.
    async fn owe(&mut self) {
        self.scene.writing.owe(self.source, self.target, Some(Timestamp::parse(NOW).unwrap()));
        self.scene.writing.beat().await;
    }

    /// What the source owes is made up.
    async fn settle(&mut self) {
        self.scene.writing.owe(self.source, self.target, None);
        self.scene.writing.commit().await;
        self.scene.writing.beat().await;
    }

    async fn is_owed(&self, path: &str, owed: &str) {
        eventually("what is owed is told", async || {
            let answer = self.scene.get(path).await;
            let told = owed_of(&answer);
            (told == owed, format!("{told:?} of {}", answer.body))
        })
        .await;
    }
}

fn owed_of(answer: &Answer) -> String {
    answer.headers.get("forebay-owed").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn a_view_says_whose_orders_it_may_lack_until_they_are_stored() {
    let mut pair = Pair::start("silent").await;
    assert!(owed_of(&pair.scene.get(SELLER).await).starts_with("0 since "), "nobody was heard yet");
    heard(&pair.scene, &pair.scene.query).await;
    let is_told = async |pair: &mut Pair, beats: bool, is_right: &dyn Fn(&str) -> bool| {
        eventually("who may lack something is named", async || {
            if beats {
                pair.scene.writing.beat().await;
            }
            let told = owed_of(&pair.scene.get(SELLER).await);
            (is_right(&told), told)
        })
        .await;
    };
    is_told(&mut pair, true, &str::is_empty).await;
    is_told(&mut pair, false, &|told| told.starts_with("0 since ") && told.contains(", 1 since ")).await;
    assert_eq!(owed_of(&pair.scene.get("/v1/customers/C1/orders").await), "", "of the customer's own shard");
    // What the log takes meanwhile is missing until it is stored, although the writer is heard again.
    let id = pair.id_on(pair.target);
    pair.log(&id).await;
    let source = format!("{} since ", pair.source);
    is_told(&mut pair, true, &|told| told.starts_with(&source) && !told.contains(", ")).await;
    pair.scene.writing.commit().await;
    is_told(&mut pair, true, &str::is_empty).await;
}

#[tokio::test]
async fn a_receipt_of_orders_waits_until_what_follows_is_derived_and_then_until_it_is_there() {
    for with_notice in [true, false] {
        let mut pair = Pair::start("follows").await;
        let id = pair.id_on(pair.target);
        let receipt = pair.log(&id).await;
        let index = format!("/v1/orders/{id}?after={receipt}&wait_ms=0");
        let told = |answer: Answer| answer.problem(504, "not_yet_visible").to_owned();
        assert_eq!(told(pair.seller(&pair.scene.query, &receipt, 1).await), pair.not_derived());
        pair.scene.writing.commit_kind(StreamKind::Logged, with_notice).await;
        let answer = pair.seller(&pair.scene.query, &receipt, 2).await;
        assert_eq!(answer.body["shard"], json!(pair.source.0));
        assert_eq!(told(answer), pair.not_derived());
        assert_eq!(told(pair.scene.get(&index).await), pair.not_derived());
        pair.scene.writing.derive_all(with_notice).await;
        // The index entry and the view are a frame each.
        eventually("it is told that it is derived", async || {
            let detail = told(pair.seller(&pair.scene.query, &receipt, 3).await);
            (detail == pair.not_there(2), detail)
        })
        .await;
        assert_eq!(told(pair.scene.get(&index).await), pair.not_there(2));
        pair.scene.writing.commit_kind(StreamKind::Derived, with_notice).await;
        assert_eq!(order_ids(&pair.seller(&pair.scene.query, &receipt, 4).await.ok()), [id.as_str()]);
        assert_eq!(pair.scene.get(&index).await.ok()["order_id"], *id);
        // A list of orders says where it was read, which is good for the seller's list, too.
        let list = pair.scene.get(&format!("/v1/customers/{}/orders", pair.customer)).await;
        let position: Receipt = list.header("forebay-position").parse().unwrap();
        assert!(position.positions().eq(receipt.positions()), "{position} {receipt}");
        let seen = pair.seller(&pair.scene.query, &position, 5).await;
        let both: Receipt = format!("{position}~{}", seen.header("forebay-position")).parse().unwrap();
        assert_eq!(order_ids(&pair.seller(&pair.scene.query, &both, 6).await.ok()), [id.as_str()]);
    }
}

#[tokio::test]
async fn an_old_receipt_does_not_wait_for_what_came_since() {
    let mut pair = Pair::start("old").await;
    let old = pair.write("X1").await;
    eventually("the old order is known to be derived", async || {
        let answer = pair.seller(&pair.scene.query, &old, 1).await;
        (answer.status == 200, answer.body.to_string())
    })
    .await;
    let new = pair.publish("X2").await;
    eventually("the new order is known to be derived", async || {
        let detail = pair.seller(&pair.scene.query, &new, 2).await.problem(504, "not_yet_visible").to_owned();
        (detail.contains("has not come to frame"), detail)
    })
    .await;
    assert_eq!(order_ids(&pair.seller(&pair.scene.query, &old, 3).await.ok()), ["X1"]);
    // Who was not there then knows only where the last of it lies.
    pair.seller(&pair.other().await, &old, 1).await.problem(504, "not_yet_visible");
}

#[tokio::test]
async fn what_a_cache_keeps_is_not_shown_to_a_receipt_that_names_more() {
    let mut pair = Pair::start("kept").await;
    pair.write("X1").await;
    heard(&pair.scene, &pair.scene.query).await;
    let cached = |answer: Answer| {
        let from = answer.header("forebay-cache").to_owned();
        (from, order_ids(&answer.ok()).into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let is = |from: &str, ids: &[&str]| (from.to_owned(), ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>());
    assert_eq!(cached(pair.scene.get(SELLER).await), is("miss", &["X1"]));
    let receipt = pair.publish("X2").await;
    let path = format!("{SELLER}?after={receipt}&wait_ms=0");
    pair.scene.get(&path).await.problem(504, "not_yet_visible");
    assert_eq!(cached(pair.scene.get(SELLER).await), is("l1", &["X1"]));
    pair.scene.writing.commit().await;
    eventually("it is there", async || {
        let answer = pair.scene.get(&path).await;
        (answer.status == 200, answer.body.to_string())
    })
    .await;
    eventually("it is kept, and known to hold what follows from the receipt", async || {
        let seen = cached(pair.scene.get(&path).await);
        (seen == is("l1", &["X2", "X1"]), format!("{seen:?}"))
    })
    .await;
}

#[tokio::test]
async fn what_lies_in_another_making_of_the_target_s_stream_is_not_there() {
    let mut pair = Pair::start("making").await;
    let receipt = pair.write("X1").await;
    let (source, target) = (pair.source, pair.target);
    let note = |sign: char| {
        format!("update derived_through set target_incarnation = target_incarnation {sign} 1 where target = {target}")
    };
    pair.scene.sql(source, &note('+')).await;
    // The one that has the notices knows better; this one asks the shard.
    let other = pair.other().await;
    assert_eq!(order_ids(&pair.seller(&pair.scene.query, &receipt, 1).await.ok()), ["X1"]);
    pair.seller(&other, &receipt, 1).await.problem(504, "not_yet_visible");
    let (path, as_before) = (format!("{SELLER}?after={receipt}&wait_ms=20000"), note('-'));
    let (answer, _) = tokio::join!(other.get(&path), pair.scene.sql(source, &as_before));
    assert_eq!(order_ids(&answer.ok()), ["X1"]);
}

#[tokio::test]
async fn where_nothing_follows_there_is_nothing_to_wait_for() {
    let mut pair = Pair::start("nothing").await;
    let mut plain = order("X1", &pair.customer);
    plain["items"][0].as_object_mut().unwrap().remove("seller_id");
    plain["order_id"] = json!(pair.id_on(pair.source));
    let (_, receipt) = pair.scene.writing.write(&[plain]).await;
    // No source has ever published there, so it has never looked at the stream.
    let never = format!("update derived_through set target_incarnation = 0 where target = {}", pair.target);
    pair.scene.sql(pair.source, &never).await;
    assert_eq!(pair.seller(&pair.other().await, &receipt, 1).await.ok()["data"], json!([]));
}

#[tokio::test]
async fn a_source_that_is_down_leaves_open_what_nobody_has_told() {
    let mut pair = Pair::start("down").await;
    let receipt = pair.write("X1").await;
    eventually("where it lies is known", async || {
        let answer = pair.seller(&pair.scene.query, &receipt, 1).await;
        (answer.status == 200, answer.body.to_string())
    })
    .await;
    let other = pair.other().await;
    pair.scene.take_down(pair.source).await;
    assert_eq!(order_ids(&pair.seller(&pair.scene.query, &receipt, 2).await.ok()), ["X1"]);
    for partial in ["", "&partial=true"] {
        let answer = other.get(&format!("{SELLER}?after={receipt}&wait_ms=100{partial}")).await;
        assert_eq!(answer.problem(504, "not_yet_visible"), pair.not_derived());
    }
    assert_eq!(order_ids(&other.get(SELLER).await.ok()), ["X1"]);
}

#[tokio::test]
async fn an_answer_that_may_lack_what_is_owed_says_so() {
    let mut pair = Pair::start("owed").await;
    let id = pair.id_on(pair.target);
    pair.write(&id).await;
    heard(&pair.scene, &pair.scene.query).await;
    let export =
        async |pair: &Pair| Answer::of(pair.scene.query.request(SELLER).header("Accept", "application/x-ndjson")).await;
    let (by_index, of_customer) = (format!("/v1/orders/{id}"), format!("/v1/customers/{}/orders", pair.customer));
    let unknown = format!(
        "/v1/orders/{}",
        (1..10_000).map(|n| format!("{id}{n}")).find(|other| pair.index_shard(other) == pair.target).unwrap()
    );
    for path in [SELLER, &by_index, &unknown] {
        assert_eq!(owed_of(&pair.scene.get(path).await), "", "{path}");
    }
    assert_eq!(owed_of(&export(&pair).await), "");
    pair.owe().await;
    let owed = format!("{} since {NOW}", pair.source);
    pair.is_owed(SELLER, &owed).await;
    for path in [&by_index, &unknown] {
        assert_eq!(owed_of(&pair.scene.get(path).await), owed, "{path}");
    }
    assert_eq!(owed_of(&export(&pair).await), owed);
    // What is read of the orders themselves lacks nothing.
    for path in [&of_customer, &format!("{of_customer}/{id}"), "/v1/orders"] {
        assert_eq!(owed_of(&pair.scene.get(path).await), "", "{path}");
    }
    // A second one.
    pair.scene.writing.owe(pair.target, pair.target, Some(Timestamp::parse("2025-07-01T00:00:00Z").unwrap()));
    pair.scene.writing.beat().await;
    let second = format!("{} since 2025-07-01T00:00:00.000000Z", pair.target);
    let both = if pair.source < pair.target { format!("{owed}, {second}") } else { format!("{second}, {owed}") };
    pair.is_owed(SELLER, &both).await;
    // Nobody says anything any more: it is as it was last known.
    eventually("the silence is noticed", async || {
        let answer = pair.scene.get(SELLER).await;
        assert!(owed_of(&answer).contains(&owed) && owed_of(&answer).contains(&second), "{}", owed_of(&answer));
        (answer.header("forebay-cache") == "bypass", answer.header("forebay-cache").to_owned())
    })
    .await;
    pair.scene.writing.owe(pair.target, pair.target, None);
    pair.settle().await;
    pair.is_owed(SELLER, "").await;
}

#[tokio::test]
async fn while_the_index_is_owed_every_shard_is_asked_for_an_id() {
    let mut pair = Pair::start("everywhere").await;
    pair.scene.writing.commit().await;
    let ids: Vec<String> =
        (0..1000).map(|n| format!("X{n}")).filter(|id| pair.index_shard(id) == pair.target).take(4).collect();
    let path = |place: usize| format!("/v1/orders/{}", ids[place]);
    heard(&pair.scene, &pair.scene.query).await;
    pair.owe().await;
    pair.is_owed(&path(3), &format!("{} since {NOW}", pair.source)).await;
    let owed = pair.write(&ids[0]).await;
    // It is stored, and its index entry is owed: it is found, and with its receipt at once.
    assert_eq!(pair.scene.get(&path(0)).await.ok()["customer_id"], *pair.customer);
    let after = format!("{}?after={owed}&wait_ms=0", path(0));
    assert_eq!(pair.scene.get(&after).await.ok()["customer_id"], *pair.customer);
    // What nobody has is not kept as that.
    for _ in 0..2 {
        let answer = pair.scene.get(&path(1)).await;
        answer.problem(404, "not_found");
        // Where the test was held up, its writer was silent for too long.
        assert!(["miss", "bypass"].contains(&answer.header("forebay-cache")), "{answer:?}");
    }
    // One customer's entry is there, and another's is owed: the receipt of that one tells.
    let other = pair.scene.writing.customer_of(pair.target);
    pair.scene.writing.write(&[order(&ids[2], &other)]).await;
    assert_eq!(pair.scene.get(&path(2)).await.ok()["customer_id"], *other);
    let receipt = pair.write(&ids[2]).await;
    let answer = pair.scene.get(&format!("{}?after={receipt}&wait_ms=0", path(2))).await;
    answer.problem(409, "ambiguous");
    // What is logged and not stored is waited for as ever.
    let logged = pair.log(&ids[3]).await;
    let answer = pair.scene.get(&format!("{}?after={logged}&wait_ms=0", path(3))).await;
    let detail = answer.problem(504, "not_yet_visible");
    assert!(detail.contains("its logged stream has not come to frame"), "{detail}");
    pair.settle().await;
    pair.is_owed(&path(0), "").await;
    eventually("the index leads to it", async || {
        let answer = pair.scene.get(&path(3)).await;
        (answer.status == 200, answer.body.to_string())
    })
    .await;
    eventually("it is told that another customer has that id, too", async || {
        let answer = pair.scene.get(&path(2)).await;
        (answer.status == 409, answer.body.to_string())
    })
    .await;
    // A shard that cannot be asked may have what is owed.
    pair.owe().await;
    pair.is_owed(&path(1), &format!("{} since {NOW}", pair.source)).await;
    pair.scene.take_down(pair.source).await;
    pair.scene.get(&path(1)).await.problem(503, "shard_unavailable");
}

#[tokio::test]
async fn an_id_that_was_kept_as_unknown_is_looked_for_anew_once_the_index_is_owed() {
    let mut pair = Pair::start("unknown").await;
    pair.scene.writing.commit().await;
    // One that any client may choose, and one that looks as if Forebay had assigned it.
    let uuid = |n| format!("018f0000-0000-7000-8000-{n:012x}");
    let ids = [pair.id_on(pair.target), (0..1000).map(uuid).find(|id| pair.index_shard(id) == pair.target).unwrap()];
    heard(&pair.scene, &pair.scene.query).await;
    for id in &ids {
        eventually("it is kept that there is no such order", async || {
            let answer = pair.scene.get(&format!("/v1/orders/{id}")).await;
            answer.problem(404, "not_found");
            let from = answer.header("forebay-cache").to_owned();
            (from == "l1", from)
        })
        .await;
    }
    pair.owe().await;
    for id in &ids {
        let path = format!("/v1/orders/{id}");
        pair.is_owed(&path, &format!("{} since {NOW}", pair.source)).await;
        pair.write(id).await;
        assert_eq!(pair.scene.get(&path).await.ok()["customer_id"], *pair.customer, "{id}");
    }
}

#[tokio::test]
async fn who_has_not_heard_what_is_owed_asks_every_shard_too() {
    let mut pair = Pair::start("unheard").await;
    let id = pair.id_on(pair.target);
    pair.scene.writing.commit().await;
    pair.log(&id).await;
    pair.scene.writing.commit_kind(StreamKind::Logged, false).await;
    assert_eq!(pair.scene.get(&format!("/v1/orders/{id}")).await.ok()["customer_id"], *pair.customer);
    // As soon as everybody has said that nothing is owed, the index's word counts: what follows is on its way.
    pair.scene.writing.owe(pair.source, pair.target, None);
    heard(&pair.scene, &pair.scene.query).await;
    eventually("the index is asked alone", async || {
        pair.scene.writing.beat().await;
        let answer = pair.scene.get(&format!("/v1/orders/{id}")).await;
        (answer.status == 404, answer.body.to_string())
    })
    .await;
    pair.scene.writing.commit().await;
    eventually("its entry is seen", async || {
        let answer = pair.scene.get(&format!("/v1/orders/{id}")).await;
        (answer.status == 200, answer.body.to_string())
    })
    .await;
}

#[tokio::test]
async fn what_is_published_and_not_committed_is_found_by_its_id_and_told_of() {
    let mut pair = Pair::start("uncommitted").await;
    pair.scene.writing.commit().await;
    heard(&pair.scene, &pair.scene.query).await;
    let id = pair.id_on(pair.target);
    let path = format!("/v1/orders/{id}");
    eventually("it is kept that there is no such order", async || {
        let answer = pair.scene.get(&path).await;
        answer.problem(404, "not_found");
        let from = answer.header("forebay-cache").to_owned();
        (from == "l1", from)
    })
    .await;
    pair.publish(&id).await;
    eventually("every shard is asked", async || {
        let answer = pair.scene.get(&path).await;
        (answer.status == 200, answer.body.to_string())
    })
    .await;
    let lookup = pair.scene.query.post("/v1/orders/lookup", "application/json", json!({"ids": [id]}).to_string());
    assert_eq!(Answer::of(lookup).await.ok()["data"][0]["order_id"], *id);
    eventually("it is told what a list lacks for longer than a moment", async || {
        pair.scene.writing.beat().await;
        let told = owed_of(&pair.scene.get(SELLER).await);
        (told.starts_with(&format!("{} since 2", pair.source)), told)
    })
    .await;
    pair.scene.writing.commit().await;
    pair.is_owed(SELLER, "").await;
}
