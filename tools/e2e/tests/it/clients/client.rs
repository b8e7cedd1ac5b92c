//! The Rust client against a whole system.

use std::time::Duration;

use forebay_api::Parameter;
use forebay_client::{Client, Code, Error, List, NewOrder};
use forebay_e2e::System;
use forebay_stack::{Durability, ServiceName};
use forebay_testkit::{Mode, Proxy};
use serde_json::json;

fn order(customer_id: &str, quantity: i64) -> NewOrder {
    let item = json!({"sku": "A", "quantity": quantity, "price": 5});
    serde_json::from_value(json!({"customer_id": customer_id, "items": [item]})).unwrap()
}

fn client(system: &System) -> Client {
    let url = |service| system.url(service, "");
    Client::new(&url(ServiceName::Ingest)).unwrap().reading_from(&url(ServiceName::Query)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_sent_asked_after_and_read_page_by_page() {
    let system = System::start(2, Durability::Fast, &[]).await.unwrap();
    let client = client(&system);
    let orders: Vec<NewOrder> = (0..25).map(|number| order("CLIENT", i64::from(number != 7))).collect();
    let sent = client.post_all(&orders).await.unwrap();
    assert_eq!((sent.accepted, sent.rejected, sent.errors[0].line), (24, 1, 8), "{sent:?}");
    for receipt in &sent.receipts {
        let report = client.became_of(receipt).await.unwrap();
        assert_eq!((report.accepted, report.stored), (24, Some(24)), "{report:?}");
    }
    let list = List::of_customer("CLIENT").with(Parameter::Limit, "10").with(Parameter::After, &sent.receipts[0]);
    let mut pages = client.pages(list);
    let mut lengths = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        lengths.push(page.len());
    }
    assert_eq!(lengths, [10, 10, 4]);

    let refused = client.post(&order("CLIENT", 0)).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused(refusal) if refusal.code() == Some(Code::Invalid)), "{refused}");
    assert!(client.order("CLIENT", "nobody's", None).await.unwrap().is_none());
    system.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_answer_is_lost_is_sent_again_and_is_one_order() {
    let system = System::start(1, Durability::Fast, &[]).await.unwrap();
    let proxy = Proxy::to(system.port(ServiceName::Ingest)).await.unwrap();
    let impatient = Client::new(&format!("127.0.0.1:{}", proxy.port())).unwrap().with_patience(Duration::from_secs(30));
    let client = impatient.reading_from(&system.url(ServiceName::Query, "")).unwrap();
    // The request passes, and the answer does not: an answer alone is longer than what is left for it.
    proxy.set(Mode::CutAfter(600));
    let post = tokio::spawn({
        let client = client.clone();
        async move { client.post(&order("LOST", 1)).await }
    });
    system.wait_for("select least(rows_duplicate, 1) from lane_tally where lane = 'orders'", 1).await.unwrap();
    proxy.set(Mode::Pass);
    let accepted = post.await.unwrap().unwrap();
    assert!(client.order("LOST", &accepted.order_id, Some(&accepted.receipt)).await.unwrap().is_some());
    assert_eq!(system.sum("select count(*) from orders").await.unwrap(), 1);
    system.stop().await.unwrap();
}
