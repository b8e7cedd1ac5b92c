//! A request that cannot be answered says why, in one sentence.

use serde_json::{Value, json};

use crate::scene::Scene;

fn orders() -> Vec<Value> {
    let order = |n: i32| {
        json!({
            "order_id": format!("X{n}"), "customer_id": "C1", "timestamp": "2025-06-30T12:30:00Z",
            "items": [{"sku": "x", "quantity": 1, "price": 5, "seller_id": "S1"}]
        })
    };
    (0..5).map(order).collect()
}

#[tokio::test]
async fn each_mistake_is_named() {
    let mut scene = Scene::start("mistakes").await;
    scene.writing.write(&orders()).await;
    for (path, detail) in [
        ("/v1/orders?limit=0", "`limit` must be an integer from 1 to 1000"),
        ("/v1/orders?from=2025-06-30", "`from` must be an RFC 3339 date and time, such as 2025-06-30T12:30:00Z"),
        ("/v1/customers/C1/orders?from=2025-07-01T00:00:00Z&to=2025-06-30T00:00:00Z", "`from` must be before `to`"),
        (
            "/v1/customers/C1/orders?by=day",
            "there is no parameter `by` here: there are from, to, limit, cursor, order, kind, status, as_placed, after, wait_ms, partial, rows",
        ),
        ("/v1/orders/X1?limit=1", "there is no parameter `limit` here: there are as_placed, after, wait_ms, partial"),
        ("/v1/sellers/S1/orders?kind=gift", "`kind` must be `sale` or `return`"),
        (
            "/v1/orders?status=open",
            "`status` must be one of placed, confirmed, packed, shipped, delivered, cancelled, returned",
        ),
        ("/v1/orders/X1?partial=yes", "`partial` must be true or false"),
        ("/v1/stats?x=1", "there is no parameter `x` here: there are wait_ms"),
        ("/v1/orders?cursor=x", "`cursor` is not a cursor that Forebay gave"),
        ("/v1/sellers/S1/orders?after=x", "`after` is not a receipt that Forebay gave"),
        ("/v1/customers/a%00b/orders", "a customer id must not contain control characters"),
        ("/v1/sellers/a%0Ab/orders", "a seller id must not contain control characters"),
    ] {
        let answer = scene.get(path).await;
        assert_eq!(answer.problem(400, "malformed"), detail, "{path}");
    }
    let long = "x".repeat(129);
    let answer = scene.get(&format!("/v1/orders/{long}")).await;
    assert_eq!(answer.problem(400, "malformed"), "an order id must have at most 128 characters");
    scene.get("/v1/orders/unknown").await.problem(404, "not_found");
    scene.get("/v1/warehouses/1/orders").await.problem(404, "not_found");
    let posted = scene.query.request("/v1/stats").build().unwrap();
    let posted = reqwest::Client::new().post(posted.url().clone());
    forebay_testkit::service::Answer::of(posted).await.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn any_instant_is_a_bound() {
    let mut scene = Scene::start("bounds").await;
    scene.writing.write(&orders()).await;
    for (range, count) in [
        ("to=9999-12-31T23:59:59Z", 5),
        ("from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59.999999Z", 5),
        ("from=0000-01-01T00:00:00%2B00:03", 5),
        ("from=9999-12-31T00:00:00Z&to=9999-12-31T23:59:59-23:59", 0),
        ("to=2000-01-01T00:00:00Z", 0),
        ("to=1970-01-01T00:00:00Z", 0),
        ("to=2016-12-31T23:59:60Z", 0),
    ] {
        for list in ["/v1/orders", "/v1/customers/C1/orders", "/v1/sellers/S1/orders"] {
            let page = scene.get(&format!("{list}?{range}")).await.ok();
            assert_eq!(page["data"].as_array().unwrap().len(), count, "{list}?{range}");
        }
        let request = scene.query.request(&format!("/v1/orders?{range}")).header("accept", "application/x-ndjson");
        let export = request.send().await.unwrap();
        assert_eq!((export.status().as_u16(), export.text().await.unwrap().lines().count()), (200, count), "{range}");
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list() {
    let mut scene = Scene::start("cursors").await;
    scene.writing.write(&orders()).await;
    let range = "from=2025-06-01T00:00:00Z&to=2025-07-01T00:00:00Z";
    let page = scene.get(&format!("/v1/customers/C1/orders?limit=2&{range}")).await.ok();
    let cursor = page["next_cursor"].as_str().unwrap();
    // The same list: the instants count and not their texts, and the size of the page may change.
    let same = "from=2025-06-01T02:00:00%2B02:00&to=2025-07-01T00:00:00.000Z";
    let next = scene.get(&format!("/v1/customers/C1/orders?limit=3&{same}&cursor={cursor}")).await.ok();
    assert_eq!(next["data"].as_array().unwrap().len(), 3);
    for path in [
        format!("/v1/customers/C1/orders?cursor={cursor}"),
        format!("/v1/customers/C1/orders?order=asc&{range}&cursor={cursor}"),
        format!("/v1/customers/C1/orders?kind=sale&{range}&cursor={cursor}"),
        format!("/v1/customers/C2/orders?{range}&cursor={cursor}"),
        format!("/v1/orders?{range}&cursor={cursor}"),
        format!("/v1/orders?order=asc&{range}&cursor={cursor}"),
        format!("/v1/sellers/C1/orders?{range}&cursor={cursor}"),
    ] {
        let answer = scene.get(&path).await;
        assert!(answer.problem(400, "malformed").starts_with("`cursor` belongs to another list"), "{path}");
    }
    let forged = format!("{}A", &cursor[..cursor.len() - 1]);
    let answer = scene.get(&format!("/v1/customers/C1/orders?{range}&cursor={forged}")).await;
    assert_eq!(answer.problem(400, "malformed"), "`cursor` is not a cursor that Forebay gave");
}
