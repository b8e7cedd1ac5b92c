//! What query exports is taken by `replay`, in every form, and is the same orders again.

use forebay_testkit::eventually;
use forebay_testkit::service::Answer;
use serde_json::{Value, json};

use crate::replaying::system::System;

/// Everything that could be lost or changed on the way; with further fields of the orders, or without.
fn orders(has_further: bool) -> Vec<Value> {
    let order = |n: u32| {
        let is_returned = n.is_multiple_of(3);
        let sign = if is_returned { -1 } else { 1 };
        // What a shop calls a currency need not be one of the standard's.
        let currency = ["EUR", "JPY", "BTC"][n as usize % 3];
        let mut order = json!({
            "order_id": format!("O, \"{n}\""), "customer_id": format!("C{}", n % 5), "currency": currency,
            "timestamp": format!("2025-06-30T12:30:00.{n:06}Z"), "kind": if is_returned { "return" } else { "sale" },
            "items": [
                {"sku": "Ω\r\n,\"", "quantity": 2 * sign, "price": n + 1, "seller_id": null, "size": [42, 42.50, null]},
                {"sku": n.to_string(), "quantity": sign, "price": 7, "seller_id": "S1", "*": {"sku": "x"}},
            ],
        });
        if has_further {
            let further =
                json!({"note": "a }{ \u{1F600} \t, \r\n=1+1", "n": n, "nested": {"": [[], {}, null]}, "none": null});
            order.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        }
        order
    };
    let mut orders: Vec<Value> = (0..30).map(order).collect();
    if has_further {
        let item = json!({"sku": "free", "quantity": -1, "price": 0});
        orders.push(json!({"order_id": "nothing", "customer_id": "C1", "timestamp": "2025-06-30T12:30:00Z", "kind": "return", "items": [item]}));
    }
    orders
}

async fn export(system: &System, path: &str, form: &str) -> String {
    let Value::String(text) = Answer::of(system.query.request(path).header("accept", form)).await.ok() else {
        panic!("an export is text")
    };
    text
}

/// A system that has these orders.
async fn with(name: &str, orders: &[Value]) -> System {
    let system = System::new(name).await;
    let lines: Vec<String> = orders.iter().map(Value::to_string).collect();
    system.forebay.write("sent.ndjson", lines.join("\n"));
    let ran = system.replay(&["sent.ndjson"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    system
}

/// An export of a system, replayed where it came from, and into an empty one.
async fn is_the_same_again(from: &System, name: &str, path: &str, form: &str, map: Option<&str>) {
    from.forebay.write(name, export(from, path, form).await);
    let mut arguments = vec![name];
    if let Some(map) = map {
        let suggested = from.forebay.run(&["map", "suggest", name]).await;
        assert!(suggested.stderr.contains(&format!("the map {map} is for")), "{suggested:?}");
        arguments.extend(["--map", map]);
    }
    let count = from.forebay.read_lines("sent.ndjson").len();
    let ran = from.replay(&arguments).await;
    let fates = ran.json().unwrap()["fates"].clone();
    assert_eq!(
        (ran.code, &fates["duplicates"], &fates["dead"]),
        (Some(0), &json!(count), &json!(0)),
        "{name}: {ran:?}"
    );
    let to = System::new("into").await;
    to.forebay.write(name, from.forebay.read(name));
    let ran = to.replay(&arguments).await;
    assert_eq!(ran.code, Some(0), "{name}: {ran:?}");
    let ndjson = "application/x-ndjson";
    assert_eq!(export(&to, "/v1/orders", ndjson).await, export(from, "/v1/orders", ndjson).await, "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_orders_is_the_same_orders_again() {
    let from = with("exported", &orders(true)).await;
    is_the_same_again(&from, "orders.csv", "/v1/orders", "text/csv", Some("forebay-csv")).await;
    is_the_same_again(&from, "orders.ndjson", "/v1/orders", "application/x-ndjson", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_items_is_the_same_orders_again_where_they_have_no_further_fields() {
    let from = with("itemized", &orders(false)).await;
    is_the_same_again(&from, "items.csv", "/v1/orders?rows=items", "text/csv", Some("forebay-items-csv")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_view_is_not_taken_for_orders() {
    let from = with("viewed", &orders(false)).await;
    let of_the_seller = eventually("the seller's orders are derived", async || {
        let exported = export(&from, "/v1/sellers/S1/orders", "application/x-ndjson").await;
        (exported.lines().count() == 30, exported)
    });
    from.forebay.write("S1.ndjson", of_the_seller.await);
    let ran = from.replay(&["S1.ndjson"]).await;
    assert!(ran.code == Some(64) && ran.stderr.contains("S1.ndjson is an export of a view"), "{ran:?}");
    let suggested = from.forebay.run(&["map", "suggest", "S1.ndjson"]).await;
    assert!(suggested.code != Some(0) && suggested.stderr.contains("is an export of a view"), "{suggested:?}");
}
