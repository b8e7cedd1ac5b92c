use std::collections::BTreeMap;

use forebay_e2e::System;
use forebay_model::Timestamp;
use forebay_stack::{Durability, ServiceName};
use serde_json::{Value, json};

async fn generated(system: &System, orders: &str) -> Vec<u8> {
    let run = system.forebay(&["generate", "--orders", orders, "--seed", "7"], b"").await.unwrap();
    run.ok().unwrap().stdout.into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_go_in_land_in_the_shards_and_come_back() {
    let system = System::start(3, Durability::Fast, &[]).await.unwrap();
    let orders = generated(&system, "20000").await;
    let summary = system.replay(&["-"], &orders).await.unwrap();
    assert_eq!((&summary["accepted"], &summary["rejected"]), (&json!(20_000), &json!(0)), "{summary}");
    system.wait_for_orders(20_000).await.unwrap();

    let lines = String::from_utf8(orders.clone()).unwrap();
    let mut sent: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in lines.lines() {
        let order: Value = serde_json::from_str(line).unwrap();
        sent.entry(order["customer_id"].as_str().unwrap().to_owned()).or_default().push(order);
    }
    for (customer, orders) in sent.iter().take(20) {
        let mut found = every_page(&system, &format!("/v1/customers/{customer}/orders?limit=7&as_placed=true")).await;
        let times: Vec<&str> = found.iter().map(|order| order["timestamp"].as_str().unwrap()).collect();
        assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
        let mut orders = orders.clone();
        let id = |order: &Value| order["order_id"].as_str().unwrap().to_owned();
        found.sort_by_key(id);
        orders.sort_by_key(id);
        for order in &mut found {
            let items = order["items"].as_array().unwrap();
            let total: i64 = items.iter().map(|i| i["quantity"].as_i64().unwrap() * i["price"].as_i64().unwrap()).sum();
            assert_eq!(order.as_object_mut().unwrap().remove("total"), Some(json!(total)));
        }
        assert_eq!(found.len(), orders.len(), "{customer}");
        for (found, mut sent) in found.iter().zip(orders) {
            // The same instant, as Forebay writes it.
            sent["timestamp"] =
                Timestamp::parse(sent["timestamp"].as_str().unwrap()).unwrap().in_full().to_string().into();
            sent["kind"] = "sale".into();
            assert_eq!(*found, sent, "{customer}");
        }
    }
    let everything = every_page(&system, "/v1/orders?limit=1000&order=asc").await;
    assert_eq!(everything.len(), 20_000);

    let again = system.replay(&["-"], &orders).await.unwrap();
    assert_eq!(again["accepted"], 20_000, "{again}");
    system.wait_for("select rows_duplicate from lane_tally where lane = 'orders'", 20_000).await.unwrap();
    assert_eq!(system.sum("select count(*) from orders").await.unwrap(), 20_000);
    assert_eq!(system.sum("select count(*) from dead_letter").await.unwrap(), 0);
    let (status, stats) = system.get("/v1/stats").await.unwrap();
    assert_eq!(status, 200);
    let duplicates: i64 = stats["shards"].as_array().unwrap().iter().map(|s| s["duplicates"].as_i64().unwrap()).sum();
    assert_eq!(duplicates, 20_000, "{stats}");
    system.stop().await.unwrap();
}

async fn every_page(system: &System, path: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut next = path.to_owned();
    loop {
        let (status, mut page) = system.get(&next).await.unwrap();
        assert_eq!(status, 200, "{page}");
        found.append(page["data"].as_array_mut().unwrap());
        let Some(cursor) = page["next_cursor"].as_str() else { return found };
        next = format!("{path}&cursor={cursor}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_writer_in_the_middle_loses_nothing_and_doubles_nothing() {
    let system = System::start(3, Durability::Real, &[]).await.unwrap();
    let orders = generated(&system, "200000").await;
    let replay = system.replay(&["-"], &orders);
    let kills = async {
        for at_least in [5_000, 60_000, 120_000] {
            while system.sum("select count(*) from orders").await.unwrap() < at_least {}
            system.process(ServiceName::Writer).kill().await;
            system.process(ServiceName::Writer).restart().await.unwrap();
        }
    };
    let (summary, ()) = tokio::join!(replay, kills);
    assert_eq!(summary.unwrap()["accepted"], 200_000);
    system.wait_for_orders(200_000).await.unwrap();
    // What follows from them is there as well, once each.
    system.wait_until_settled().await.unwrap();
    assert_eq!(system.sum("select count(*) from order_index").await.unwrap(), 200_000);
    let totals = system.sum("select sum(total)::int8 from orders").await.unwrap();
    assert_eq!(system.sum("select sum(subtotal)::int8 from order_views").await.unwrap(), totals);
    let tallies = "select sum(rows_stored + rows_duplicate + rows_dead)::int8 from lane_tally where lane = 'orders'";
    assert_eq!(system.sum(tallies).await.unwrap(), 200_000);
    system.stop().await.unwrap();
}
