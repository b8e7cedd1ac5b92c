//! Sends an order, and reads it back by its receipt.

use forebay_client::{Client, NewOrder};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let client = Client::new(&address("FOREBAY_INGEST", "http://127.0.0.1:8080"))?
        .reading_from(&address("FOREBAY_QUERY", "http://127.0.0.1:8081"))?;
    let id = std::env::args().nth(1).unwrap_or_else(|| format!("ORD-{}", std::process::id()));
    let order: NewOrder = serde_json::from_value(json!({
        "order_id": id, "customer_id": "CUST789", "timestamp": "2025-06-30T12:30:00Z",
        "items": [{"sku": "SHOE001", "quantity": 1, "price": 2999, "seller_id": "S7"}],
    }))?;

    // Sent until it is on disk, however often that takes; it is stored once.
    let accepted = client.post(&order).await?;
    eprintln!("accepted, receipt {}", accepted.receipt);
    // With the receipt the reader waits until the order is stored.
    let stored = client.order("CUST789", &id, Some(&accepted.receipt)).await?;
    println!("{}", serde_json::to_string(&stored)?);
    Ok(())
}
