use forebay_e2e::System;
use forebay_stack::{Durability, ServiceName};

#[tokio::test(flavor = "multi_thread")]
async fn stopping_under_load_in_any_order_loses_nothing_that_was_accepted() {
    let system = System::start(3, Durability::Real, &[]).await.unwrap();
    let generate = ["generate", "--orders", "100000", "--seed", "9"];
    let orders = system.forebay(&generate, b"").await.unwrap().ok().unwrap().stdout.into_bytes();
    let replay = system.replay(&["-"], &orders);
    let restarts = async {
        while system.sum("select count(*) from orders").await.unwrap() < 1_000 {}
        for part in ServiceName::STOPPING {
            let status = system.process(part).stop().await.unwrap();
            assert!(status.success(), "{part:?} ended with {status}");
            system.process(part).restart().await.unwrap();
        }
    };
    let (summary, ()) = tokio::join!(replay, restarts);
    assert_eq!(summary.unwrap()["accepted"], 100_000);
    system.wait_for_orders(100_000).await.unwrap();
    system.stop().await.unwrap();
}
