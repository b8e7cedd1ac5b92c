//! `forebay dead`.

use forebay_model::fact::FramePart;
use forebay_testkit::eventually;
use forebay_testkit::order::patched;
use serde_json::{Value, json};

use crate::operating::operated::{Operated, order, order_at, orders};

/// The address of the only letter that a filter leaves.
async fn only_letter(system: &Operated, filter: &[&str]) -> String {
    let listing = system.json(&[&["dead", "list"], filter].concat(), 0).await;
    let letters = listing["letters"].as_array().unwrap();
    assert_eq!(letters.len(), 1, "{listing}");
    letters[0]["address"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_order_is_listed_shown_requeued_once_and_purged() {
    let system = Operated::new("deadroad", 2).await;
    system.shards.sql_everywhere("alter table orders add constraint unlucky check (order_id <> 'ORD7')").await;
    system.log_orders(&orders(0..20)).await;
    system.drained().await;

    let listing = system.json(&["dead", "list"], 0).await;
    assert_eq!(
        listing["counts"],
        json!([{"lane": "orders", "reason": "refused", "letters": 1, "rows": 1, "requeued": 0}])
    );
    let letter = &listing["letters"][0];
    assert_eq!((&letter["order_id"], &letter["sqlstate"]), (&json!("ORD7"), &json!("23514")), "{letter}");
    let address = letter["address"].as_str().unwrap().to_owned();
    for none in [["--reason", "conflict"], ["--lane", "index"], ["--to", "2020-01-01T00:00:00Z"]] {
        let ran = system.run(&["dead", "list", none[0], none[1]]).await;
        assert_eq!((ran.code, ran.stdout.trim()), (Some(0), "No dead letters match."), "{none:?}");
    }
    let shown = system.run(&["dead", "show", &address]).await;
    assert!(shown.stdout.contains("unlucky") && shown.stdout.contains("\"ORD7\""), "{shown:?}");
    let ran = system.run(&["dead", "show", "0/999"]).await;
    assert_eq!((ran.code, ran.stderr.trim()), (Some(1), "forebay: there is no dead letter 0/999"));

    // While the cause stands, it dies again; that is another letter.
    assert_eq!(
        system.json(&["dead", "requeue", &address], 0).await,
        json!({"requeued": [address], "stay": [], "missing": []})
    );
    eventually("the order has died again", async || {
        let letters = system.shards.sum("select count(*) from dead_letter").await;
        (letters == 2, letters.to_string())
    })
    .await;
    system.shards.sql_everywhere("alter table orders drop constraint unlucky").await;
    let requeued = system.json(&["dead", "requeue", "--all"], 0).await;
    assert_eq!(requeued["requeued"].as_array().unwrap().len(), 1, "only what was not requeued yet: {requeued}");
    system.drained().await;
    assert_eq!(system.shards.sum("select count(*) from orders").await, 20);
    // Again, by address: nothing is stored twice.
    system.json(&["dead", "requeue", &address], 0).await;
    system.drained().await;
    assert_eq!(system.shards.sum("select count(*) from orders").await, 20);
    assert_eq!(system.shards.sum("select count(*) from order_index").await, 20);
    assert_eq!(system.json(&["dead", "requeue", "--all"], 0).await["requeued"], json!([]));

    assert_eq!(system.run(&["dead", "purge"]).await.code, Some(64));
    assert_eq!(system.json(&["dead", "purge", "--all"], 0).await, json!({"purged": 2, "kept": 0, "missing": []}));
    let ran = system.run(&["dead", "list"]).await;
    assert_eq!((ran.code, ran.stdout.trim()), (Some(0), "There are no dead letters."), "{ran:?}");
    assert_eq!(system.shards.sum("select count(*) from dead_letter").await, 0);
    system.json(&["verify", "--full"], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_listed_beside_a_shard_that_is_down_and_that_is_said() {
    let system = Operated::new("deaddown", 2).await;
    system.shards.sql(0, "alter table orders add constraint unlucky check (false)").await;
    system.log_orders(&orders(0..20)).await;
    system.drained().await;
    let letters = system.shards.sum("select count(*) from dead_letter").await;
    assert!(letters > 0);
    let mut flags = system.flags();
    flags.truncate(5);
    let nowhere = forebay_stack::free_ports(1)[0];
    flags.push(format!("{},postgres://forebay@127.0.0.1:{nowhere}/forebay", system.shards.urls[0]));
    let list = ["dead", "list", "--json"].map(str::to_owned);
    let ran = system.run_alone(&[&list[..], &flags].concat()).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.starts_with("forebay: the dead letters of shard 1 are not here: "), "{ran:?}");
    let listing = ran.json().unwrap();
    assert_eq!((&listing["counts"][0]["letters"], listing["unread"].as_array().unwrap().len()), (&json!(letters), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_is_not_there_is_named_and_the_others_are_dealt_with() {
    let system = Operated::new("deadwrong", 2).await;
    system.shards.sql_everywhere("alter table orders add constraint unlucky check (order_id <> 'ORD7')").await;
    system.log_orders(&orders(0..20)).await;
    system.drained().await;
    let address = only_letter(&system, &[]).await;
    for (command, code, said) in [
        (&["dead", "show", "9/1"][..], 64, "forebay: there is no shard 9: this system has 0, 1"),
        (&["dead", "requeue", "9/1"], 64, "forebay: there is no shard 9: this system has 0, 1"),
        (&["dead", "purge", "9/1", &address, "--unrequeued"], 64, "forebay: there is no shard 9: this system has 0, 1"),
        (&["dead", "list", "--shard", "9"], 64, "forebay: there is no shard 9: this system has 0, 1"),
        (&["log", "show", "orders", "9"], 64, "forebay: there is no shard 9: this system has 0, 1"),
        (&["dead", "show", "1/999"], 1, "forebay: there is no dead letter 1/999"),
        (&["dead", "requeue", "1/999"], 1, "there is no dead letter 1/999"),
        (&["dead", "purge", "1/999"], 1, "there is no dead letter 1/999"),
    ] {
        let ran = system.run(command).await;
        assert_eq!((ran.code, ran.stderr.trim()), (Some(code), said), "{command:?} {ran:?}");
    }
    assert_eq!(only_letter(&system, &[]).await, address);
    system.shards.sql_everywhere("alter table orders drop constraint unlucky").await;
    let requeued = system.json(&["dead", "requeue", "0/999", &address], 1).await;
    assert_eq!(requeued, json!({"requeued": [address], "stay": [], "missing": ["0/999"]}));
    let purged = system.json(&["dead", "purge", "1/999", &address], 1).await;
    assert_eq!(purged, json!({"purged": 1, "kept": 0, "missing": ["1/999"]}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_validation_refuses_stays_and_goes_only_when_that_is_said() {
    let system = Operated::new("deadstays", 1).await;
    let part = system.parts(&[order("C1", "GOOD", 100), order("C1", "POISON", 100_000_000)]).remove(0);
    // A number that no `jsonb` holds, in as many bytes.
    let poisoned = patched(part.tuples.clone(), b"\"price\":100000000", b"\"price\":1e9999999");
    let torn = part.tuples[..40].to_vec();
    system.log_part(FramePart { tuples: poisoned, ..part.clone() }).await;
    system.log_part(FramePart { rows: 1, tuples: torn, ..part }).await;
    system.drained().await;

    let kept = system.json(&["dead", "requeue", "--all"], 1).await;
    let reasons: Vec<&str> =
        kept["stay"].as_array().unwrap().iter().map(|stays| stays["reason"].as_str().unwrap()).collect();
    assert_eq!((kept["requeued"].as_array().unwrap().len(), reasons.len()), (0, 2), "{kept}");
    assert!(reasons[0].starts_with("validation refuses it: /items/0/price"), "{reasons:?}");
    assert!(reasons[1].starts_with("its bytes cannot be read"), "{reasons:?}");
    assert_eq!(system.json(&["dead", "purge", "--all"], 0).await, json!({"purged": 0, "kept": 2, "missing": []}));
    let filter = ["dead", "purge", "--reason", "refused", "--unrequeued"];
    assert_eq!(system.json(&filter, 0).await, json!({"purged": 1, "kept": 0, "missing": []}));
    assert_eq!(system.shards.sum("select count(*) from dead_letter").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_shows_both_contents_and_is_not_requeued() {
    let system = Operated::new("deadconflict", 1).await;
    system.log_orders(&[order("C1", "O1", 100)]).await;
    system.log_orders(&[order("C1", "O1", 105)]).await;
    // The same id at another time is a conflict, too.
    system.log_orders(&[order_at("C1", "O1", 100, "2025-07-01T00:00:00Z")]).await;
    system.drained().await;

    assert_eq!(system.shards.sum("select count(*) from orders").await, 1);

    let listing = system.json(&["dead", "list", "--lane", "orders"], 0).await;
    let letters = listing["letters"].as_array().unwrap();
    assert_eq!(letters.len(), 2, "{listing}");
    let with_total = |total: u32| letters.iter().find(|letter| letter["content"]["total"] == total).unwrap();
    let (other_content, other_time) = (with_total(210), with_total(200));
    assert_eq!(other_time["differs"], json!(["ordered_at"]), "{other_time}");
    assert_eq!(other_time["stored"]["ordered_at"], "2025-06-30T12:30:00+00:00");
    let address = other_content["address"].as_str().unwrap();
    let letter = system.json(&["dead", "show", address], 0).await;
    assert_eq!(letter["differs"], json!(["items", "total"]), "{letter}");
    assert_eq!((&letter["content"]["total"], &letter["stored"]["total"]), (&json!(210), &json!(200)));
    assert!(letter["bytes"].as_str().unwrap().starts_with("000a"), "{letter}");
    let shown = system.run(&["dead", "show", address]).await.stdout;
    let total = shown.lines().find(|line| line.contains("total")).unwrap();
    assert!(total.contains('≠') && total.contains("210") && total.contains("200"), "{shown}");
    assert!(shown.ends_with("They differ in items, total.\n"), "{shown}");
    let kept = system.json(&["dead", "requeue", "--all"], 1).await;
    let stay: &Vec<Value> = kept["stay"].as_array().unwrap();
    assert!(
        stay.len() == 2 && stay.iter().all(|letter| letter["reason"].as_str().unwrap().contains("conflict")),
        "{kept}"
    );
    // Nothing follows from an order that is not stored.
    for table in ["order_index", "order_views"] {
        assert_eq!(system.shards.sum(&format!("select count(*) from {table}")).await, 1);
    }
    let report = system.json(&["verify", "--full"], 0).await;
    assert_eq!(report["explained"], 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_index_entry_and_a_dead_view_are_made_again_from_their_order() {
    let system = Operated::new("deadfacts", 2).await;
    system.shards.sql_everywhere("alter table order_index add constraint unlucky check (order_id <> 'ORD3')").await;
    system.shards.sql_everywhere("alter table order_views add constraint unlucky check (order_id <> 'ORD4')").await;
    system.log_orders(&orders(0..10)).await;
    system.drained().await;
    assert_eq!(system.shards.sum("select count(*) from order_index").await, 9);
    assert_eq!(system.shards.sum("select count(*) from order_views").await, 9);
    for table in ["order_index", "order_views"] {
        system.shards.sql_everywhere(&format!("alter table {table} drop constraint unlucky")).await;
    }
    let requeued = system.json(&["dead", "requeue", "--reason", "refused"], 0).await;
    assert_eq!(requeued["requeued"].as_array().unwrap().len(), 2, "{requeued}");
    system.drained().await;
    assert_eq!(system.shards.sum("select count(*) from order_index").await, 10);
    assert_eq!(system.shards.sum("select count(*) from order_views").await, 10);
    let report = system.json(&["verify", "--full"], 0).await;
    assert_eq!(report["explained"], 0, "{report}");
}
