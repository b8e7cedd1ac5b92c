//! How many orders a client may send, whatever process it sends them to.

use std::num::NonZeroU32;
use std::time::Duration;

use forebay_testkit::service::Served;
use reqwest::StatusCode;
use tokio::time::{Instant, sleep};

use crate::harness::{Ingest, order};

const RATE: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// Within it the buckets are emptied that processes begin with, and what was taken is known to all.
const BEGIN: Duration = Duration::from_secs(3);
const SPAN: Duration = Duration::from_secs(5);

/// The sums of `secret-of-a` and `secret-of-b`: keys of two clients.
const CLIENTS: &str = "
    [[client]]
    name = 'a'
    key_sha256 = 'b606670fce5b8adfbea3e23d715295f9516f730f1de071b1dbd5a7a3ec4e9126'
    rights = ['write']
    [[client]]
    name = 'b'
    key_sha256 = '2b99e079b53ab2aba619fe34d96a5b216a19294e9823162c1aebdd65f325dfbe'
    rights = ['write']
    orders_per_s = 20
";

/// How many orders of the client with that key are taken until then.
async fn taken(ingest: &Served, key: &str, until: Instant) -> u32 {
    let mut taken = 0;
    while Instant::now() < until {
        let sent = ingest.post("/v1/orders", "application/json", order(1).to_string()).bearer_auth(key).send();
        let status = sent.await.unwrap().status();
        if status == StatusCode::ACCEPTED {
            taken += 1;
        } else {
            assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
            sleep(Duration::from_millis(2)).await;
        }
    }
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_take_from_a_client_together_what_one_would_take() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), CLIENTS).unwrap();
    let rate = RATE.to_string();
    let flags = ["--clients-file", file.path().to_str().unwrap(), "--orders-per-s", &rate];
    let ingest = Ingest::start("together", &flags).await;
    let other = Ingest::serve(&ingest.log, &flags).await;
    other.ready_without(&[]).await;
    let both = async |key, until| {
        let (one, two) = tokio::join!(taken(&ingest.served, key, until), taken(&other, key, until));
        one + two
    };
    let all = async |until| tokio::join!(both("secret-of-a", until), both("secret-of-b", until));
    all(Instant::now() + BEGIN).await;
    let begin = Instant::now();
    let (a, b) = all(begin + SPAN).await;
    let due = |rate: u32| begin.elapsed().as_secs_f64() * f64::from(rate);
    for (taken, due) in [(f64::from(a), due(RATE.get())), (f64::from(b), due(20))] {
        assert!((0.9 * due..=1.1 * due).contains(&taken), "{taken} instead of {due}");
    }
}
