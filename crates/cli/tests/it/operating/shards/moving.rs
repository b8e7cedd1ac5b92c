//! `forebay shards move`, `rebalance`, `drain`, `status`, `pause`, `resume` and `abort`: what is asked for is done by writers, whatever becomes of
//! the command.

use std::collections::BTreeSet;

use forebay_model::{Bucket, CustomerId, ShardId, ShardMap, StreamKind, Tenant};
use forebay_testkit::eventually;
use serde_json::Value;

use crate::operating::operated::{Operated, order, orders};

/// A system with orders, and all that follows from them.
async fn begin(name: &str, shards: usize) -> Operated {
    let operated = Operated::new(name, shards).await;
    operated.log_orders(&orders(0..300)).await;
    operated.drained().await;
    operated
}

async fn map(operated: &Operated) -> ShardMap {
    (*operated.log.read_map().await.unwrap()).clone()
}

/// How many buckets of a kind of streams a shard has.
fn has(map: &ShardMap, stream: StreamKind, shard: u16) -> usize {
    Bucket::all().filter(|&bucket| map.shard(stream, bucket) == ShardId(shard)).count()
}

/// Whether each row is on the shard that the map says, and how many orders there are.
async fn astray(operated: &Operated) -> (u64, u64) {
    let map = map(operated).await;
    let (mut astray, mut orders) = (0, 0);
    let tables = [
        (StreamKind::Logged, "orders"),
        (StreamKind::Logged, "order_time"),
        (StreamKind::Derived, "order_index"),
        (StreamKind::Derived, "order_views"),
    ];
    for (stream, table) in tables {
        for shard in 0..operated.shards.urls.len() {
            let sql = format!(
                "select coalesce(string_agg(bucket || ':' || count, ' '), '') from (select bucket, count(*) as count from {table} group by bucket) t"
            );
            for row in operated.shards.sql(shard, &sql).await.split(' ').filter(|row| !row.is_empty()) {
                let (bucket, count) = row.split_once(':').unwrap();
                let (bucket, count) = (Bucket::new(bucket.parse().unwrap()).unwrap(), count.parse::<u64>().unwrap());
                astray += if map.shard(stream, bucket) == ShardId(shard as u16) { 0 } else { count };
                orders += if table == "orders" { count } else { 0 };
            }
        }
    }
    (astray, orders)
}

/// Nothing moves, and every row is where the map says, once.
async fn in_place(operated: &Operated, orders: u64) {
    eventually("nothing is under way, and nothing is left where it was", async || {
        let moves = map(operated).await.moves().len();
        let found = (moves, astray(operated).await);
        (found == (0, (0, orders)), found)
    })
    .await;
}

/// The same, and log and shards agree.
async fn settled(operated: &Operated, orders: u64) {
    in_place(operated, orders).await;
    let verified = operated.run(&["verify", "--full"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

fn bucket_of(map: &ShardMap, customer: &str) -> Bucket {
    map.bucket_of(Tenant::none(), &CustomerId::new(customer.to_owned()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_moved_there_and_back() {
    let operated = begin("movethere", 2).await;
    let before = map(&operated).await;
    // Shown, and nothing done.
    let command = ["shards", "move", "--buckets", "200", "--from", "0", "--to", "1"];
    let planned = operated.json(&[&command[..], &["--dry-run"]].concat(), 0).await;
    assert_eq!(planned["moves"].as_array().unwrap().len(), 400, "both what was logged and what follows from it");
    assert_eq!(planned["shards"][1]["buckets_after"], 2248);
    let unasked = operated.run(&command).await;
    assert!(unasked.code == Some(0) && unasked.stderr.contains("nothing was changed"), "{unasked:?}");
    assert_eq!(map(&operated).await, before);
    // Done.
    let done = operated.run(&[&command[..], &["--yes", "--keep-s", "0"]].concat()).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains("400 of 400 parts are there"), "{done:?}");
    let moved = map(&operated).await;
    assert_eq!(StreamKind::ALL.map(|stream| has(&moved, stream, 0)), [1848, 1848]);
    operated.log_orders(&orders(300..320)).await;
    settled(&operated, 320).await;
    // And back, by their numbers.
    let back = ["shards", "move", "--buckets", "0-298", "--from", "1", "--to", "0", "--yes", "--json"];
    let back = operated.json(&back[..9], 0).await;
    let there = Bucket::all().take(299).filter(|&bucket| moved.shard(StreamKind::Logged, bucket) == ShardId(1)).count();
    assert_eq!(back["became"]["there"], 2 * there);
    settled(&operated, 320).await;
    let status = operated.run(&["shards", "status"]).await;
    assert!(status.code == Some(0) && status.stdout.starts_with("Nothing moves."), "{status:?}");
    let acts = operated.json(&["audit"], 0).await;
    let acts: Vec<&Value> = acts.as_array().unwrap().iter().map(|act| &act["command"]).collect();
    assert_eq!(acts, ["shards move", "shards move"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_goes_on_when_its_command_is_killed() {
    let operated = begin("drainkilled", 3).await;
    // So slow that it takes a while.
    let drain = ["shards", "drain", "1", "--yes", "--keep-s", "0", "--rows-per-s", "20"];
    let mut command = operated.command(&drain).spawn().unwrap();
    eventually("some of it is under way", async || {
        let map = map(&operated).await;
        (map.moves().len() > 10, map.moves().len())
    })
    .await;
    command.kill().await.unwrap();
    let status = operated.json(&["shards", "status"], 0).await;
    assert!(status["ways"].as_array().unwrap().iter().all(|way| way["from"] == 1), "{status}");
    assert_eq!(status["pace"]["rows_per_s"], 20);
    assert_eq!(operated.run(&["shards", "resume", "--rows-per-s", "0"]).await.code, Some(0));
    // The same command goes on to watch it.
    let again = operated.run(&["shards", "drain", "1", "--yes"]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    let drained = map(&operated).await;
    assert_eq!(StreamKind::ALL.map(|stream| has(&drained, stream, 1)), [0, 0]);
    settled(&operated, 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_shard_gets_its_share() {
    let operated = begin("moveshare", 3).await;
    let weights = ["shards", "rebalance", "--weights", "0=20,1=26,2=20", "--yes", "--keep-s", "0"];
    let shared = operated.json(&weights, 0).await;
    let planned = shared["planned"]["moves"].as_array().unwrap().len();
    assert!(planned > 50 && shared["became"]["there"] == planned, "{}", shared["became"]);
    let counts = |map: &ShardMap| [0, 1, 2].map(|shard| has(map, StreamKind::Derived, shard));
    let [first, second, third] = counts(&map(&operated).await);
    assert!(second > first + 20 && second > third + 20, "{first} {second} {third}");
    settled(&operated, 300).await;
    let again = operated.run(&weights).await;
    assert!(again.code == Some(0) && again.stdout.starts_with("Nothing has to move."), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_begins_not_and_can_be_given_up() {
    let operated = begin("moveheld", 3).await;
    let before = map(&operated).await;
    assert_eq!(operated.run(&["shards", "pause"]).await.code, Some(0));
    let command = ["shards", "move", "--buckets", "0-299", "--from", "0", "--to", "1", "--yes", "--no-wait"];
    assert_eq!(operated.run(&command).await.code, Some(0));
    // Another move of the same is refused, and it is said what runs.
    let other = ["shards", "move", "--buckets", "3-3", "--from", "0", "--to", "2", "--yes"];
    let refused = operated.run(&other).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("bucket 3 (logged) is under way from shard 0 to shard 1"), "{refused:?}");
    // Nor are all rows gone through by somebody else.
    for command in [&["views", "add", "depot=depot_id"][..], &["index", "backfill"]] {
        let refused = operated.run(command).await;
        assert!(refused.code == Some(64) && refused.stderr.contains("200 wait"), "{refused:?}");
    }
    let status = operated.run(&["shards", "status"]).await;
    assert!(status.stdout.contains("What can be held is held"), "{status:?}");
    let aborted = operated.json(&["shards", "abort", "--buckets", "0-149"], 0).await;
    assert_eq!((&aborted["forgotten"], &aborted["turned_back"]), (&100.into(), &0.into()));
    assert_eq!(operated.json(&["shards", "abort"], 0).await["forgotten"], 100);
    let after = map(&operated).await;
    assert!(StreamKind::ALL.iter().all(|&stream| has(&after, stream, 0) == has(&before, stream, 0)));
    assert_eq!(operated.run(&["shards", "resume"]).await.code, Some(0));
    settled(&operated, 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_copied_is_turned_back() {
    let operated = begin("moveback", 2).await;
    let before = map(&operated).await;
    let command = [
        "shards",
        "move",
        "--buckets",
        "2048",
        "--from",
        "0",
        "--to",
        "1",
        "--yes",
        "--rows-per-s",
        "5",
        "--keep-s",
        "0",
    ];
    let running = tokio::spawn(operated.command(&command).output());
    eventually("something is under way", async || {
        let moves = map(&operated).await.moves().len();
        (moves > 20, moves)
    })
    .await;
    let aborted = operated.json(&["shards", "abort"], 0).await;
    assert!(aborted["turned_back"].as_u64().unwrap() > 0, "{aborted}");
    let ended = running.await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(operated.run(&["shards", "resume", "--rows-per-s", "0"]).await.code, Some(0));
    let waited = operated.run(&["shards", "status", "--wait"]).await;
    assert_eq!(waited.code, Some(0), "{waited:?}");
    settled(&operated, 300).await;
    // Some were there before that.
    assert!(has(&map(&operated).await, StreamKind::Logged, 0) > has(&before, StreamKind::Logged, 0) / 2);
}

/// A row that comes to the other shard otherwise, or not at all, stops its bucket and no other, and is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_does_not_come_as_it_is_stops_its_bucket() {
    for (name, when, becomes) in [
        ("movechanged", "before", "new.total := new.total + 1"),
        ("movedropped", "after", "delete from orders where order_id = new.order_id"),
    ] {
        let operated = Operated::new(name, 2).await;
        let map_before = map(&operated).await;
        let (mine, others): (Vec<u32>, Vec<u32>) = (0..200u32).partition(|n| {
            map_before.shard(StreamKind::Logged, bucket_of(&map_before, &format!("C{n}"))) == ShardId(0)
        });
        let made: Vec<String> =
            mine.iter().chain(&others).map(|n| order(&format!("C{n}"), &format!("ORD{n}"), 100 + n)).collect();
        operated.log_orders(&made).await;
        operated.drained().await;
        let bad = mine[0];
        let spoil = format!(
            "create function spoil() returns trigger language plpgsql as $$ begin \
                if new.order_id = 'ORD{bad}' then {becomes}; end if; return new; end $$; \
             create trigger spoil {when} insert on orders for each row execute function spoil()"
        );
        operated.shards.sql(1, &spoil).await;
        let bucket_of = |number: &u32| bucket_of(&map_before, &format!("C{number}"));
        let list: Vec<String> = mine.iter().map(|number| bucket_of(number).to_string()).collect();
        let list = format!("{},", list.join(","));
        let ran = operated
            .run(&["shards", "move", "--buckets", &list, "--from", "0", "--to", "1", "--yes", "--keep-s", "0"])
            .await;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let bucket = bucket_of(&bad);
        let named =
            format!("bucket {bucket} (logged) stays on shard 0 and is not on shard 1: it has other rows: orders");
        assert!(ran.stderr.contains(&named) && ran.stderr.contains(&format!("ORD{bad}")), "{ran:?}");
        let now = map(&operated).await;
        let stayed: BTreeSet<Bucket> =
            mine.iter().map(bucket_of).filter(|&bucket| now.shard(StreamKind::Logged, bucket) == ShardId(0)).collect();
        assert_eq!(stayed, BTreeSet::from([bucket]));
        let status = operated.run(&["shards", "status"]).await;
        assert!(status.code == Some(1) && status.stderr.contains(&named), "{status:?}");
        operated.shards.sql(1, "drop trigger spoil on orders").await;
        let again = ["shards", "move", "--buckets", &format!("{bucket}-{bucket}"), "--from", "0", "--to", "1", "--yes"];
        let again = operated.run(&again).await;
        assert_eq!(again.code, Some(0), "{again:?}");
        // What a trigger takes away is missing in the figures, too.
        in_place(&operated, 200).await;
    }
}

/// A shard keeps for a while what another one owns. Somebody changes a row of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_two_shards_have_is_compared_when_somebody_asks() {
    let operated = begin("movekept", 2).await;
    let before = map(&operated).await;
    let customers: Vec<Bucket> = (0..13).map(|n| bucket_of(&before, &format!("CUST{n}"))).collect();
    let bucket = customers.into_iter().find(|&bucket| before.shard(StreamKind::Logged, bucket) == ShardId(0)).unwrap();
    let list = format!("{bucket}-{bucket}");
    let moved = operated.run(&["shards", "move", "--buckets", &list, "--from", "0", "--to", "1", "--yes"]).await;
    assert_eq!(moved.code, Some(0), "{moved:?}");
    assert_eq!(map(&operated).await.moves().len(), 2, "both are kept");
    let compare = ["verify", "--buckets", &list];
    let equal = operated.json(&compare, 0).await;
    let sides = equal[0]["shards"].as_array().unwrap();
    assert_eq!(
        (&equal[0]["owner"], &sides[0]["state"], &sides[0]["rows"]),
        (&1.into(), &"released".into(), &sides[1]["rows"])
    );
    let change = |by: &str| format!("update orders set total = total {by} 1 where bucket = {bucket}");
    operated.shards.sql(0, &change("+")).await;
    let differs = operated.run(&compare).await;
    assert!(
        differs.code == Some(1)
            && differs.stdout.contains("shard 0 has a row that shard 1 has not, or otherwise: orders"),
        "{differs:?}"
    );
    operated.shards.sql(0, &change("-")).await;
    assert_eq!(operated.run(&compare).await.code, Some(0));

    // It cannot go back before what shard 0 keeps is gone, and that is said.
    let back = ["shards", "move", "--buckets", &list, "--from", "1", "--to", "0", "--yes", "--no-wait"];
    assert_eq!(operated.run(&back).await.code, Some(0));
    let status = operated.run(&["shards", "status"]).await;
    let held_up = "2 of the parts that wait cannot begin before shard 0 has deleted the rows that it keeps of them";
    assert!(status.code == Some(0) && status.stderr.contains(held_up), "{status:?}");
    assert!(status.stderr.contains("`forebay shards resume --keep-s 1` has it begin now"), "{status:?}");
    assert_eq!(operated.run(&["shards", "resume", "--keep-s", "0"]).await.code, Some(0));
    settled(&operated, 300).await;
}

#[tokio::test]
async fn what_cannot_be_moved_is_said_before_anything_is_changed() {
    let operated = begin("movenot", 2).await;
    let before = map(&operated).await;
    for (command, code, says) in [
        (
            &["shards", "move", "--buckets", "1-1", "--from", "0", "--to", "1"][..],
            64,
            "none of these buckets is on shard 0: they are on shard 1 already",
        ),
        (&["shards", "move", "--buckets", "0-0", "--from", "0", "--to", "0"], 64, "shard 0 is where they are to go"),
        (&["shards", "move", "--buckets", "0-0", "--from", "0", "--to", "2"], 64, "there is no shard 2"),
        (
            &["shards", "move", "--buckets", "4000", "--from", "0", "--to", "1"],
            64,
            "shard 0 has 2048 buckets that do not move, not 4000",
        ),
        (&["shards", "rebalance", "--weights", "0=1,7=1"], 64, "there is no shard 7"),
        (&["shards", "drain", "7"], 64, "there is no shard 7"),
    ] {
        let ran = operated.run(command).await;
        assert!(ran.code == Some(code) && ran.stderr.contains(says), "{command:?}: {ran:?}");
    }
    let nowhere =
        format!("{},postgres://forebay@127.0.0.1:{}/forebay", operated.shards.urls[0], forebay_stack::free_ports(1)[0]);
    let mut flags = operated.flags();
    flags.truncate(5);
    let command = ["shards", "drain", "0", "--yes"].map(str::to_owned);
    let ran = operated.run_alone(&[&command[..], &flags, &[nowhere]].concat()).await;
    assert!(ran.code == Some(1) && ran.stderr.contains("shard 1 cannot be reached"), "{ran:?}");
    assert_eq!(map(&operated).await, before);
}
