//! Sends an order, and reads it back by its receipt.

use std::time::Duration;

use reqwest::{Client, StatusCode, header};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Sends until there is an answer that stays. An order with an id and a time of its own may be sent again.
async fn post(http: &Client, url: &str, order: &Value) -> Result<Value> {
    for attempt in 0..8 {
        let mut wait = Duration::from_millis(100 << attempt);
        match http.post(url).json(order).send().await {
            Ok(answer)
                if matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) =>
            {
                let told =
                    answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                wait = told.map_or(wait, Duration::from_secs);
            }
            Ok(answer) if answer.status().is_success() => return Ok(answer.json().await?),
            Ok(answer) => return Err(answer.text().await?.into()),
            Err(lost) => eprintln!("no answer, sending again: {lost}"),
        }
        tokio::time::sleep(wait).await;
    }
    Err("giving up".into())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let address = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let ingest = address("FOREBAY_INGEST", "http://127.0.0.1:8080");
    let query = address("FOREBAY_QUERY", "http://127.0.0.1:8081");
    let id = std::env::args().nth(1).unwrap_or_else(|| format!("ORD-{}", std::process::id()));
    let order = json!({
        "order_id": id, "customer_id": "CUST789", "timestamp": "2025-06-30T12:30:00Z",
        "items": [{"sku": "SHOE001", "quantity": 1, "price": 2999, "seller_id": "S7"}],
    });

    let http = Client::builder().timeout(Duration::from_secs(30)).build()?;
    let accepted = post(&http, &format!("{ingest}/v1/orders"), &order).await?;
    let receipt = accepted["receipt"].as_str().ok_or("an accepted order has a receipt")?;
    eprintln!("accepted, receipt {receipt}");
    // With `after` the reader waits until the order is stored.
    let url = format!("{query}/v1/customers/CUST789/orders/{id}?after={receipt}&wait_ms=10000");
    println!("{}", http.get(url).send().await?.error_for_status()?.text().await?);
    Ok(())
}
