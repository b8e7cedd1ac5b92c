//! `forebay serve`: several services as one process.

use std::time::Duration;

use forebay_stack::{Signal, free_ports};
use forebay_testkit::command::Finished;
use forebay_testkit::service::{Answer, http_client};
use forebay_testkit::{eventually, within};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::process::Child;

use crate::forebay::Forebay;
use crate::operating::operated::{Operated, order, orders};

/// A process of several roles, on a port of its own.
struct Serve {
    child: Child,
    url: String,
    http: reqwest::Client,
    _forebay: Forebay,
}

impl Serve {
    async fn start(operated: &Operated, more: &[&str]) -> Self {
        let serve = Self::begin(operated, more);
        eventually("it is ready", async || match serve.http.get(format!("{}/readyz", serve.url)).send().await {
            Ok(answer) => (answer.status().is_success(), answer.text().await.unwrap_or_default()),
            Err(error) => (false, error.to_string()),
        })
        .await;
        serve
    }

    /// Starts it, and waits for nothing.
    fn begin(operated: &Operated, more: &[&str]) -> Self {
        let forebay = Forebay::new();
        let listen = format!("127.0.0.1:{}", free_ports(1)[0]);
        let flags = operated.flags();
        let flags = flags
            .iter()
            .map(String::as_str)
            .chain(["--listen", &listen, "--redis", "none"])
            .chain(more.iter().copied());
        let child = forebay.start(&["serve"].into_iter().chain(flags).collect::<Vec<_>>());
        Self { child, url: format!("http://{listen}"), http: http_client(), _forebay: forebay }
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(format!("{}{path}", self.url))).await
    }

    fn post(&self, path: &str, media_type: &str, body: String) -> reqwest::RequestBuilder {
        self.http.post(format!("{}{path}", self.url)).header("content-type", media_type).body(body)
    }

    /// Tells it to stop, and gives what it left behind.
    async fn stop(self) -> Finished {
        Signal::Terminate.send(self.child.id().unwrap());
        within(self.child.wait_with_output()).await.unwrap().into()
    }
}

/// Where one of its tasks panics, be it one of those by which the whole stops, the process ends with a failure.
#[tokio::test]
async fn a_dead_task_leaves_no_process_half_alive() {
    let operated = Operated::idle("servetasks", 1).await;
    let of_the_end = ["all stop", "front stops", "ingest stops", "query stops", "writer stops"];
    let of_parts = ["http server", "rate limits", "shard 0", "shards"];
    let ends = of_the_end.into_iter().chain(of_parts).map(async |task| {
        let failpoint = format!("task:{task}=panic");
        let serve = Serve::begin(&operated, &["--failpoints", &failpoint, "--shutdown-grace-s", "3"]);
        let ended: Finished = within(serve.child.wait_with_output()).await.unwrap().into();
        assert_eq!(ended.code, Some(1), "it lives on without its task {task:?}: {ended:?}");
        assert!(format!("{ended:?}").contains(&format!("on purpose, at the failpoint task:{task}")), "{ended:?}");
    });
    join_all(ends).await;
}

async fn stored(operated: &Operated) -> u64 {
    operated.shards.sum("select count(*) from orders").await
}

#[tokio::test]
async fn one_address_takes_stores_and_gives_back() {
    let operated = Operated::idle("serve", 2).await;
    let serve = Serve::start(&operated, &[]).await;
    assert_eq!(serve.get("/").await.ok()["roles"], json!(["ingest", "writer", "query"]));
    // The path of batches is one of an order, too.
    for id in ["ORD1", "batch"] {
        let answer = Answer::of(serve.post("/v1/orders", "application/json", order("C1", id, 700))).await;
        let receipt = answer.body["receipt"].as_str().unwrap().to_owned();
        let back = serve.get(&format!("/v1/orders/{id}?after={receipt}&wait_ms=30000")).await.ok();
        assert_eq!((&back["order_id"], &back["total"]), (&json!(id), &json!(1400)));
    }
    assert_eq!(serve.get("/v1/sellers/S0/orders").await.ok()["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(serve.get("/v1/streams").await.ok()["streams"].as_array().map(Vec::len), Some(4));
    let ready = serve.get("/readyz").await.ok();
    for name in ["ingest nats", "writer nats", "query shard 1"] {
        assert_eq!(ready["dependencies"][name]["state"], "up", "{name}: {ready}");
    }
    let ended = serve.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn what_was_accepted_is_stored_when_it_has_stopped() {
    let operated = Operated::idle("servestop", 2).await;
    // Small batches, so that storing takes a while.
    let serve = Serve::start(&operated, &["--batch-rows", "200"]).await;
    let lines: String = orders(0..20_000).into_iter().map(|order| order + "\n").collect();
    let answer = Answer::of(serve.post("/v1/orders/batch", "application/x-ndjson", lines)).await;
    assert_eq!((answer.status.as_u16(), &answer.body["accepted"]), (202, &json!(20_000)), "{}", answer.body);
    let ended = serve.stop().await;
    assert_eq!((ended.code, stored(&operated).await), (Some(0), 20_000), "{ended:?}");
}

#[tokio::test]
async fn a_stop_under_load_loses_nothing_that_was_accepted() {
    let operated = Operated::idle("serveload", 2).await;
    let serve = Serve::start(&operated, &[]).await;
    let (http, url) = (serve.http.clone(), format!("{}/v1/orders", serve.url));
    let client = |client: usize| {
        let (http, url) = (http.clone(), url.clone());
        async move {
            let mut accepted = 0_u64;
            for number in 0.. {
                let body = order(&format!("C{client}"), &format!("O{number}"), 5);
                match http.post(&url).header("content-type", "application/json").body(body).send().await {
                    Ok(answer) if answer.status() == 202 => accepted += 1,
                    Ok(answer) => {
                        let problem: Value = answer.json().await.unwrap();
                        assert_eq!(problem["code"], "shutting_down", "{problem}");
                        break;
                    }
                    Err(error) => {
                        assert!(error.is_connect(), "a request was not answered: {error:?}");
                        break;
                    }
                }
            }
            accepted
        }
    };
    let load = tokio::spawn(join_all((0..16).map(client)));
    eventually("orders flow", async || {
        let stored = stored(&operated).await;
        (stored > 200, stored)
    })
    .await;
    let ended = serve.stop().await;
    let accepted: u64 = load.await.unwrap().into_iter().sum();
    // One whose answer did not come back may be there as well; there is none, since each was answered.
    assert_eq!((ended.code, stored(&operated).await), (Some(0), accepted), "{ended:?}");
}

#[tokio::test]
async fn a_role_that_it_has_not_is_not_there() {
    let operated = Operated::idle("serveroles", 1).await;
    let serve = Serve::start(&operated, &["--roles", "ingest"]).await;
    assert_eq!(serve.get("/").await.ok()["roles"], json!(["ingest"]));
    serve.get("/v1/orders").await.problem(405, "method_not_allowed");
    serve.get("/v1/stats").await.problem(404, "not_found");
    assert_eq!(serve.stop().await.code, Some(0));
    let bad = Forebay::new().run(&["serve", "--roles", "ingest,cook"]).await;
    assert!(bad.code == Some(64) && bad.stderr.contains("no role \"cook\""), "{bad:?}");
}

#[tokio::test]
async fn an_invalid_schema_of_orders_is_one_clear_error() {
    let forebay = Forebay::new();
    forebay.write("schema.json", r#"{"properties": {"channel": {"type": "texts"}}}"#);
    for (role, file, said) in
        [("serve", "schema.json", "/properties/channel/type"), ("ingest", "absent.json", "No such file or directory")]
    {
        let bad = forebay.run(&[role, "--listen", "127.0.0.1:0", "--order-schema", file]).await;
        let errors: Vec<&str> = bad.stderr.lines().filter(|line| line.starts_with("forebay-")).collect();
        let [error] = errors[..] else { panic!("{bad:?}") };
        assert!(bad.code == Some(64) && error.contains(&format!("--order-schema {file}: ")), "{bad:?}");
        assert!(error.contains(said), "{bad:?}");
    }
}

#[tokio::test]
async fn a_shard_that_is_away_does_not_hold_up_the_end() {
    let operated = Operated::idle("serveaway", 2).await;
    let serve = Serve::start(&operated, &["--shutdown-grace-s", "600"]).await;
    operated.shards.take_down(1).await;
    eventually("the writer notices", async || {
        let streams = serve.get("/v1/streams").await.ok();
        let streams = streams["streams"].as_array().unwrap();
        // It may have been taken down before it was reached at all.
        let mut of_shard = streams.iter().filter(|stream| stream["shard"] == 1);
        (of_shard.all(|stream| stream["state"] != "draining"), streams.clone())
    })
    .await;
    let lines: String = orders(0..100).into_iter().map(|order| order + "\n").collect();
    let answer = Answer::of(serve.post("/v1/orders/batch", "application/x-ndjson", lines)).await;
    assert_eq!(answer.status, 202);
    let ended = tokio::time::timeout(Duration::from_mins(2), serve.stop()).await.unwrap();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    operated.shards.bring_back(1).await;
}
