use forebay_e2e::{Part, System};
use forebay_stack::Durability;
use serde_json::json;

const NDJSON: &str = "application/x-ndjson";
const PARQUET: &str = "application/vnd.apache.parquet";

#[tokio::test(flavor = "multi_thread")]
async fn an_export_replayed_into_an_empty_system_gives_the_same_orders() {
    let (from, to) = tokio::join!(System::start(3, Durability::Fast, &[]), System::start(2, Durability::Fast, &[]));
    let (from, to) = (from.unwrap(), to.unwrap());
    let generate = ["generate", "--orders", "5000", "--seed", "11"];
    let orders = from.forebay(&generate, b"").await.unwrap().ok().unwrap().stdout.into_bytes();
    from.replay(&["-"], &orders).await.unwrap();
    from.wait_for_orders(5000).await.unwrap();

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("orders.parquet");
    std::fs::write(&file, from.export("/v1/orders", PARQUET).await.unwrap()).unwrap();
    let file = file.to_str().unwrap();
    let dry = to.replay(&[file, "--dry-run"], b"").await.unwrap();
    assert_eq!((&dry["accepted"], &dry["rejected"]), (&json!(5000), &json!(0)), "{dry}");
    to.replay(&[file], b"").await.unwrap();
    to.wait_for_orders(5000).await.unwrap();
    let (sent, arrived) =
        (from.export("/v1/orders", NDJSON).await.unwrap(), to.export("/v1/orders", NDJSON).await.unwrap());
    assert_eq!(sent.iter().filter(|&&byte| byte == b'\n').count(), 5000);
    assert!(sent == arrived, "the exports of both systems differ");

    // Where it came from, every one of its orders is known already.
    from.replay(&[file], b"").await.unwrap();
    from.wait_for("select rows_duplicate from lane_position where lane = 'orders'", 5000).await.unwrap();
    assert_eq!(from.process(Part::Query).stop().await.map(|status| status.success()), Some(true));
    to.stop().await.unwrap();
}
