//! How many requests a client may send.

use std::num::NonZeroU32;
use std::time::Duration;

use forebay_testkit::service::Served;
use reqwest::StatusCode;
use tokio::time::{Instant, sleep};

use crate::scene::{Scene, start_query};

const RATE: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// Within it the buckets are emptied that processes begin with, and what was taken is known to all.
const BEGIN: Duration = Duration::from_secs(3);
const SPAN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_client_beyond_its_rate_gets_429_on_every_read_and_is_told_when() {
    let scene = Scene::start_with("oftenest", &["--requests-per-s", "1"], |map| map).await;
    assert_eq!(scene.get("/v1/customers/none/orders").await.status, 200);
    for path in ["/v1/customers/none/orders", "/v1/orders", "/v1/orders/none", "/v1/sellers/none/orders"] {
        let answer = scene.get(path).await;
        answer.problem(429, "rate_limited");
        assert_eq!((answer.header("retry-after"), answer.header("ratelimit")), ("1", "\"requests\";r=0;t=1"), "{path}");
        assert_eq!(answer.header("ratelimit-policy"), "\"requests\";q=1;w=1");
    }
    assert_eq!(scene.get("/readyz").await.status, 200, "who watches it is not limited");
}

/// How many requests are answered until then.
async fn answered(query: &Served, until: Instant) -> u32 {
    let mut answered = 0;
    while Instant::now() < until {
        let status = query.request("/v1/customers/none/orders").send().await.unwrap().status();
        if status == StatusCode::OK {
            answered += 1;
        } else {
            assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
            sleep(Duration::from_millis(2)).await;
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_give_a_client_together_what_one_would_give() {
    let rate = RATE.to_string();
    let scene = Scene::start_with("oftener", &["--requests-per-s", &rate], |map| map).await;
    let other = start_query(&scene.log, &scene.shards.urls, &["--requests-per-s", &rate]).await;
    let both = async |until| {
        let (one, two) = tokio::join!(answered(&scene.query, until), answered(&other, until));
        one + two
    };
    both(Instant::now() + BEGIN).await;
    let begin = Instant::now();
    let answered = f64::from(both(begin + SPAN).await);
    let due = begin.elapsed().as_secs_f64() * f64::from(RATE.get());
    assert!((0.9 * due..=1.1 * due).contains(&answered), "{answered} instead of {due}");
}
