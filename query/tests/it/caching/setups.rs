//! However Redis is set up, answers are shared through it; and when another server takes over, nothing is wrong and nobody waits.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use forebay_model::Receipt;
use forebay_stack::RedisGroup;
use forebay_testkit::eventually;
use forebay_testkit::service::Served;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;

use crate::caching::cache::{heard, is, name_in_redis, order, seen};
use crate::scene::{Scene, order_ids, start_query, start_query_without};

const NOON: &str = "2025-06-30T12:00:00Z";
const PATH: &str = "/v1/customers/C1/orders";

/// Two processes that share what they have read through some Redis.
struct Pair {
    redis: RedisGroup,
    scene: Scene,
    other: Served,
}

impl Pair {
    async fn start(name: &str, redis: RedisGroup) -> Self {
        let flags = redis.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let mut scene = Scene::start_with(name, &flags, |map| map).await;
        // Every stream has a position from the beginning.
        scene.writing.commit().await;
        let other = start_query(&scene.log, &scene.shards.urls, &flags).await;
        let pair = Self { redis, scene, other };
        pair.heard().await;
        pair
    }

    async fn heard(&self) {
        heard(&self.scene, &self.scene.query).await;
        heard(&self.scene, &self.other).await;
    }

    async fn server(&self, number: usize) -> MultiplexedConnection {
        let client = redis::Client::open(self.redis.server_url(number)).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// What a server has of the list of customer C1.
    async fn kept(&self, number: usize) -> Option<Vec<u8>> {
        let mut server = self.server(number).await;
        let names: Vec<String> = server.keys(name_in_redis(&self.scene, "\ncustomer\nC1*")).await.unwrap();
        assert!(names.len() < 2, "{names:?}");
        server.get(names.first()?).await.unwrap()
    }

    /// Waits until a process says that of Redis.
    async fn says(&self, query: &Served, state: &str) {
        eventually(&format!("Redis is {state}"), async || {
            self.scene.writing.beat().await;
            let ready = query.get("/readyz").await;
            assert_eq!(ready.status, 200);
            let redis = &ready.body["dependencies"]["redis"];
            (redis["state"] == state, redis.to_string())
        })
        .await;
    }

    /// One process reads, and the other one finds it. On a busy machine Redis may be taken for dead at times, and what is read then is not
    /// shared: other pages are.
    async fn share(&mut self, customers: &[String]) {
        let id = |customer: &String| format!("X{customer}");
        let orders: Vec<_> = customers.iter().map(|customer| order(&id(customer), customer, NOON)).collect();
        self.scene.writing.write(&orders).await;
        for customer in customers {
            let limit = Cell::new(1);
            eventually("it is shared", async || {
                self.scene.writing.beat().await;
                let path = |limit: u16| format!("/v1/customers/{customer}/orders?limit={limit}");
                let (from, ids) = seen(self.other.get(&path(limit.get())).await);
                assert_eq!(ids, [id(customer)]);
                limit.set(limit.get() + 1);
                assert_eq!(seen(self.scene.get(&path(limit.get())).await).1, [id(customer)]);
                (from == "redis", from)
            })
            .await;
        }
    }
}

fn customers(begin: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{begin}{n}")).collect()
}

#[tokio::test]
async fn a_replica_that_was_behind_and_takes_over_shows_nothing_old() {
    let mut pair = Pair::start("behind", RedisGroup::with_sentinels(false).await.unwrap()).await;
    let (_, receipt) = pair.scene.writing.write(&[order("X1", "C1", NOON)]).await;
    assert_eq!(seen(pair.scene.get(&format!("{PATH}?after={receipt}")).await), is("miss", &["X1"]));
    eventually("the replica has it", async || {
        let kept = pair.kept(1).await.is_some();
        (kept, kept)
    })
    .await;
    let old = pair.kept(1).await;

    // It is sent nothing more, and does not come back for it.
    pair.redis.server(1).pause();
    pair.redis.ask(0, "CLIENT KILL TYPE replica").await.unwrap();
    let (_, receipt) = pair.scene.writing.write(&[order("X2", "C1", NOON)]).await;
    assert_eq!(seen(pair.scene.get(&format!("{PATH}?after={receipt}")).await), is("miss", &["X2", "X1"]));
    eventually("the primary has the new one", async || {
        let kept = pair.kept(0).await;
        (kept.is_some() && kept != old, kept)
    })
    .await;
    pair.redis.server(0).kill().await;
    pair.redis.server(1).resume();
    pair.redis.settled(1, "ROLE", "master").await.unwrap();
    pair.says(&pair.other, "up").await;
    assert_eq!(pair.kept(1).await, old, "it has what was, and not what came while it stood still");

    // It has heard of X2 by the log, and has never asked for this list.
    pair.heard().await;
    assert_eq!(seen(pair.other.get(PATH).await), is("miss", &["X2", "X1"]));
    eventually("the new primary has the new one", async || {
        let kept = pair.kept(1).await;
        (kept.is_some() && kept != old, kept)
    })
    .await;
}

#[tokio::test]
async fn while_a_primary_dies_and_another_takes_over_every_answer_is_right_and_soon() {
    const CUSTOMERS: usize = 40;
    /// What one process has read the other one looks for that number of rounds later.
    const LATER: usize = 6;
    let mut pair = Pair::start("failover", RedisGroup::with_sentinels(false).await.unwrap()).await;
    let mut committed: BTreeMap<usize, Vec<(String, Receipt)>> = BTreeMap::new();
    let (mut slowest, mut from_redis, mut died, mut round) = (Duration::ZERO, 0, None::<Instant>, 0);
    // Until answers come from the new primary.
    while died.is_none() || from_redis < 20 {
        round += 1;
        if round == 200 {
            assert!(from_redis > 0, "Redis had no part in it");
            pair.redis.server(0).kill().await;
            (died, from_redis) = (Some(Instant::now()), 0);
        }
        let customer = round * 7 % CUSTOMERS;
        let before = (round + CUSTOMERS - LATER) * 7 % CUSTOMERS;
        if round % 3 == 0 {
            let id = format!("X{round}");
            let (_, at) = pair.scene.writing.write(&[order(&id, &format!("C{customer}"), NOON)]).await;
            committed.entry(customer).or_default().push((id, at));
        } else {
            pair.scene.writing.beat().await;
        }
        for (query, customer) in [(&pair.scene.query, customer), (&pair.other, before)] {
            let path = format!("/v1/customers/C{customer}/orders?limit=1000");
            let begin = Instant::now();
            let answer = query.get(&path).await;
            slowest = slowest.max(begin.elapsed());
            let (from, at) = (answer.header("forebay-cache").to_owned(), answer.header("forebay-position").to_owned());
            from_redis += usize::from(from == "redis");
            let at: Receipt = at.parse().unwrap();
            let body = answer.ok();
            let ids = order_ids(&body);
            for (id, place) in committed.get(&customer).into_iter().flatten() {
                let is_before =
                    place.positions().any(|(stream, place)| at.position(stream).is_some_and(|at| at.covers(place)));
                assert!(ids.contains(&id.as_str()) || !is_before, "{path} from {from} at {at} lacks {id} at {place}");
            }
        }
        let waited = died.map_or(Duration::ZERO, |died| died.elapsed());
        assert!(waited < Duration::from_secs(15), "{from_redis} answers from Redis {waited:?} after the primary died");
    }
    println!(
        "{round} rounds, {:?} until the new primary had served, no answer took longer than {slowest:?}",
        died.unwrap().elapsed()
    );
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    pair.redis.settled(1, "ROLE", "master").await.unwrap();
}

#[tokio::test]
async fn the_nodes_of_a_cluster_have_a_part_of_the_answers_each() {
    let mut pair = Pair::start("cluster", RedisGroup::cluster(false).await.unwrap()).await;
    let customers = customers("C", 30);
    pair.share(&customers).await;
    for number in 0..pair.redis.servers() {
        let name = name_in_redis(&pair.scene, "\ncustomer\n*");
        let names: Vec<String> = pair.server(number).await.keys(name).await.unwrap();
        assert!(!names.is_empty(), "node {number} has nothing");
    }

    // A node that is gone takes all of it out of use: the cluster serves no slot without it.
    pair.redis.server(2).kill().await;
    let begin = Instant::now();
    for customer in &customers {
        let customer = customer.replace('C', "D");
        assert_eq!(seen(pair.other.get(&format!("/v1/customers/{customer}/orders")).await).1, Vec::<String>::new());
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    pair.says(&pair.other, "down").await;
    pair.redis.server(2).restart().await.unwrap();
    pair.says(&pair.other, "up").await;
    pair.says(&pair.scene.query, "up").await;
    pair.heard().await;
    pair.share(&["E1".to_owned()]).await;
}

#[tokio::test]
async fn by_tls_and_with_a_user_answers_are_shared_behind_sentinels_and_in_a_cluster() {
    for (name, redis) in
        [("tlssentinel", RedisGroup::with_sentinels(true).await), ("tlscluster", RedisGroup::cluster(true).await)]
    {
        let mut pair = Pair::start(name, redis.unwrap()).await;
        pair.share(&customers("C", 4)).await;
    }
}

#[tokio::test]
async fn sentinels_that_know_no_such_primary_hold_nobody_up() {
    let redis = RedisGroup::with_sentinels(false).await.unwrap();
    let url = redis.url().replace("/forebay", "/other");
    let mut scene = Scene::start_with("noprimary", &[], |map| map).await;
    scene.writing.write(&[order("X1", "C1", NOON)]).await;
    let query = start_query_without(&scene.log, &scene.shards.urls, &["--redis", &url], &["redis"]).await;
    heard(&scene, &query).await;
    assert_eq!(seen(query.get(PATH).await), is("miss", &["X1"]));
    eventually("it is said why", async || {
        let redis = query.get("/readyz").await.body["dependencies"]["redis"].clone();
        (redis.to_string().contains("not found in sentinel"), redis)
    })
    .await;
}
