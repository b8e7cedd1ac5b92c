use forebay_e2e::System;
use forebay_stack::Durability;

const INDEX: &str = "select count(*) from order_index";
const VIEWS: &str = "select coalesce(sum(subtotal), 0)::int8 from order_views";

#[tokio::test(flavor = "multi_thread")]
async fn index_and_views_are_filled_in_again_from_the_stored_orders() {
    let system = System::start(3, Durability::Fast, &[]).await.unwrap();
    let generate = ["generate", "--orders", "3000", "--seed", "5"];
    let orders = system.forebay(&generate, b"").await.unwrap().ok().unwrap().stdout.into_bytes();
    system.replay(&["-"], &orders).await.unwrap();
    system.wait_for_orders(3000).await.unwrap();
    system.wait_for(INDEX, 3000).await.unwrap();
    let totals = system.sum("select coalesce(sum(total), 0)::int8 from orders").await.unwrap();
    system.wait_for(VIEWS, totals).await.unwrap();

    for shard in 0..3 {
        system.stack.sql(shard, "delete from order_index; delete from order_views").await.unwrap();
    }
    let run = system.forebay(&["index", "backfill"], b"").await.unwrap().ok().unwrap();
    assert!(run.stderr.contains("facts stored"), "{}", run.stderr);
    system.wait_for(INDEX, 3000).await.unwrap();
    system.wait_for(VIEWS, totals).await.unwrap();

    // It goes on behind what it has done, unless it is told to begin anew; what is there already is a duplicate.
    let run = system.forebay(&["index", "backfill"], b"").await.unwrap().ok().unwrap();
    assert!(run.stderr.contains("shard 0: 0 orders read"), "{}", run.stderr);
    system.forebay(&["index", "backfill", "--restart", "--lanes", "index"], b"").await.unwrap().ok().unwrap();
    system.wait_for("select rows_duplicate from lane_tally where lane = 'index'", 3000).await.unwrap();
    assert_eq!(system.sum("select count(*) from dead_letter").await.unwrap(), 0);
    system.stop().await.unwrap();
}
