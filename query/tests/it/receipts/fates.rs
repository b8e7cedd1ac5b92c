//! With its receipt a client is told what became of its own orders, and of nobody else's.

use forebay_model::{Accepted, Receipt, RequestId, ShardId, StreamKind, Timestamp};
use forebay_testkit::eventually;
use forebay_testkit::service::Answer;
use serde_json::{Value, json};

use crate::scene::Scene;

/// An order of a customer; another price is another content.
fn order(customer: &str, id: &str, price: u32) -> Value {
    json!({
        "order_id": id, "customer_id": customer, "timestamp": "2025-06-30T12:30:00Z",
        "items": [{"sku": "x", "quantity": 1, "price": price, "seller_id": "S1"}]
    })
}

async fn ask(scene: &Scene, receipt: &Receipt) -> Value {
    scene.get(&format!("/v1/receipts/{receipt}")).await.ok()
}

#[tokio::test]
async fn clients_that_share_frames_are_told_of_their_own_orders_only() {
    let mut scene = Scene::start("fates").await;
    let customers: Vec<String> = (0..3).map(|shard| scene.writing.customer_of(ShardId(shard))).collect();
    let first: Vec<Value> = customers.iter().map(|customer| order(customer, "KNOWN", 1)).collect();
    let (_, receipt) = scene.writing.write(&first).await;
    let stored = json!({"state": "stored", "accepted": 3, "stored": 3, "duplicate": 0, "dead_in_all": 0,
        "dead_by_reason": {}, "dead": [], "derived": true});
    assert_eq!(ask(&scene, &receipt).await, stored);
    // One has a new order, one that is known and one that conflicts on each shard; the other only new ones, in the same frames.
    let mixed: Vec<Value> = customers
        .iter()
        .flat_map(|customer| [order(customer, "NEW", 1), order(customer, "KNOWN", 1), order(customer, "KNOWN", 2)])
        .collect();
    let clean: Vec<Value> = customers.iter().map(|customer| order(customer, "CLEAN", 1)).collect();
    let single = [order(&customers[0], "KNOWN", 3)];
    let (_, receipts) = scene.writing.log_together(&[&mixed, &clean, &single]).await;
    let logged = ask(&scene, &receipts[0]).await;
    assert_eq!(
        (&logged["state"], &logged["stored"], &logged["derived"]),
        (&json!("logged"), &Value::Null, &json!(false))
    );
    scene.writing.commit().await;

    let told = ask(&scene, &receipts[0]).await;
    assert_eq!(
        (
            &told["state"],
            &told["accepted"],
            &told["stored"],
            &told["duplicate"],
            &told["dead_in_all"],
            &told["derived"]
        ),
        (&json!("stored"), &json!(9), &json!(3), &json!(3), &json!(3), &json!(true)),
        "{told}"
    );
    assert_eq!(told["dead_by_reason"], json!({"conflict": 3}));
    let dead = told["dead"].as_array().unwrap();
    assert_eq!(dead.len(), 3, "{told}");
    for (letter, shard) in dead.iter().zip(0..) {
        let address = letter["letter"].as_str().unwrap();
        let (at, id) = address.split_once('/').unwrap();
        assert_eq!(
            (at, &letter["order_id"], &letter["reason"]),
            (&*shard.to_string(), &json!("KNOWN"), &json!("conflict"))
        );
        let price = format!("select content -> 'items' -> 0 ->> 'price' from dead_letter where id = {id}");
        assert_eq!(scene.sql(ShardId(shard), &price).await, "2");
    }
    assert_eq!(ask(&scene, &receipts[1]).await, stored);
    let told = ask(&scene, &receipts[2]).await;
    assert_eq!(
        (&told["stored"], &told["dead_in_all"], told["dead"].as_array().unwrap().len()),
        (&json!(0), &json!(1), 1)
    );
    assert!(receipts.iter().all(|receipt| receipt.to_string().len() < 110), "{}", receipts[0]);
}

#[tokio::test]
async fn it_is_waited_for_the_commit_and_told_what_is_derived() {
    let mut scene = Scene::start("fatewait").await;
    let (_, receipt) = scene.writing.log(&[order("C1", "X1", 5)]).await;
    let not_yet = scene.get(&format!("/v1/receipts/{receipt}?wait_ms=100")).await.ok();
    assert_eq!(not_yet["state"], "logged");
    let path = format!("/v1/receipts/{receipt}?wait_ms=20000");
    let commits = scene.writing.commit_kind(StreamKind::Logged, true);
    let (answer, ()) = tokio::join!(Answer::of(scene.query.request(&path)), commits);
    let told = answer.ok();
    assert_eq!((&told["state"], &told["stored"], &told["derived"]), (&json!("stored"), &json!(1), &json!(false)));
    scene.writing.derive_all(true).await;
    assert_eq!(ask(&scene, &receipt).await["derived"], false, "published, and not committed");
    scene.writing.commit_kind(StreamKind::Derived, true).await;
    assert_eq!(ask(&scene, &receipt).await["derived"], true);
}

#[tokio::test]
async fn what_cannot_be_told_is_said_why() {
    let mut scene = Scene::start("fateless").await;
    let (_, receipt) = scene.writing.write(&[order("C1", "X1", 5)]).await;
    let problem = async |receipt: &str, status, code: &str| {
        scene.get(&format!("/v1/receipts/{receipt}")).await.problem(status, code).to_owned()
    };
    problem("nonsense", 400, "malformed").await;
    let positions = receipt.to_string().split_once('~').unwrap().1.to_owned();
    assert!(problem(&positions, 400, "malformed").await.contains("no receipt of a request"));
    assert!(problem("r1.1.1~l9.1.1", 400, "malformed").await.contains("another system"));
    let Accepted { request, .. } = receipt.accepted().unwrap();
    let then = RequestId::new(Timestamp::now().plus_us(-31 * 86_400_000_000), 5);
    let old = receipt.clone().of(Accepted { request: then, pieces: 1, orders: 1 }).to_string();
    assert!(problem(&old, 410, "receipt_gone").await.contains("30 days"));
    // More became of it than it has.
    let shard = scene.writing.shard_of("C1");
    let fate = format!("insert into request_fate values ('\\x{request}', 2, 0)");
    scene.sql(shard, &fate).await;
    problem(&receipt.to_string(), 400, "malformed").await;
    scene.sql(shard, "delete from request_fate").await;
    scene.take_down(shard).await;
    problem(&receipt.to_string(), 503, "shard_unavailable").await;
    scene.bring_back(shard).await;
    eventually("the shard is back", async || {
        let answer = scene.get(&format!("/v1/receipts/{receipt}")).await;
        (answer.status == 200, answer.body)
    })
    .await;
    // Somebody has gone on without what the log had lost: behind the receipt, or long before the request, that is all the same.
    let lose = async |before: u32, hours: u32| {
        let sql = format!(
            "delete from log_loss; insert into log_loss (lane, before_incarnation, before_seq, after_incarnation, after_seq, \
             rows_stored, rows_duplicate, rows_dead, rows_sent_on, rows_parked, detail, accepted_at) select 'orders', incarnation, {before}, incarnation, \
             stream_seq, 0, 0, 0, 0, 0, '', now() - interval '{hours} hours' from stream_position where stream = 'logged'"
        );
        scene.sql(shard, &sql).await;
    };
    lose(0, 0).await;
    assert!(problem(&receipt.to_string(), 410, "receipt_gone").await.contains("has lost something"));
    for (before, hours) in [(1, 0), (0, 1)] {
        lose(before, hours).await;
        assert_eq!(ask(&scene, &receipt).await["stored"], 1);
    }
    // The log is another one, and nobody knows how far the old one was read.
    scene
        .sql(shard, "update stream_position set incarnation = incarnation + 1, stream_seq = 0 where stream = 'logged'")
        .await;
    assert!(problem(&receipt.to_string(), 410, "receipt_gone").await.contains("not there any more"));
}
