//! Objects of a store that speaks the language of S3. The store is moto's server, which `./dev test` installs; where it is not, these tests
//! are left out, and say so.

use std::io::Write;
use std::process::Stdio;

use forebay_parquet::Shape;
use forebay_stack::Signal;
use forebay_testkit::command::Finished;
use forebay_testkit::{Mode, Proxy, eventually};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::forebay::Forebay;
use crate::replaying::files::parquet;
use crate::replaying::ingest::Ingest;

const SECRET: &str = "a-secret-that-nobody-is-told";

/// A store with the bucket `shop`.
struct Store {
    url: String,
    http: reqwest::Client,
    _process: Child,
}

impl Store {
    async fn start() -> Option<Self> {
        let Some(installed) = std::env::var_os("FOREBAY_TEST_MOTO") else {
            eprintln!("left out: FOREBAY_TEST_MOTO does not say where moto is installed");
            return None;
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let port = forebay_stack::free_ports(1)[0];
        let mut command = Command::new("python3");
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]).env("PYTHONPATH", installed);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let store = Self { url: format!("http://127.0.0.1:{port}"), http, _process: process };
        eventually("the store answers", async || {
            let made = store.http.put(format!("{}/shop", store.url)).send().await;
            (made.as_ref().is_ok_and(|made| made.status().is_success()), format!("{made:?}"))
        })
        .await;
        Some(store)
    }

    async fn put(&self, name: &str, bytes: impl Into<reqwest::Body>) {
        // A signed request may write over what is there, and moto does not look at what is signed.
        let put = self.http.put(format!("{}/shop/{name}", self.url)).header("authorization", "AWS key:signature");
        let answer = put.body(bytes).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    fn command(&self, forebay: &Forebay, arguments: &[&str]) -> Command {
        let mut command = forebay.command(&[&["replay", "--json"], arguments].concat());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_REGION", "eu-central-1");
        command.env("AWS_ENDPOINT_URL", &self.url);
        command
    }

    async fn replay(&self, forebay: &Forebay, arguments: &[&str]) -> Finished {
        self.command(forebay, arguments).output().await.unwrap().into()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A file in a zip file, as another program makes it.
async fn zip(forebay: &Forebay, name: &str) -> Vec<u8> {
    let mut command = Command::new("python3");
    command.args(["-m", "zipfile", "-c"]).args([forebay.path("made.zip"), forebay.path(name)]);
    assert!(command.status().await.unwrap().success());
    forebay.read_bytes("made.zip")
}

#[tokio::test]
async fn what_lies_under_a_prefix_comes_in_whatever_its_form() {
    let Some(store) = Store::start().await else { return };
    let (forebay, ingest) = (Forebay::new(), Ingest::start("objects", &[]).await);
    // Longer than one piece of an object, so that pieces are put together.
    let mut orders = forebay.generate("a.ndjson", &["--orders", "50000"]).await;
    store.put("in/a.ndjson", forebay.read_bytes("a.ndjson")).await;
    orders.extend(forebay.generate("b.ndjson", &["--orders", "3000", "--seed", "2"]).await);
    store.put("in/deep/b%20b.ndjson.gz", gzip(&forebay.read_bytes("b.ndjson"))).await;
    orders.extend(forebay.generate("z.ndjson", &["--orders", "40000", "--seed", "3"]).await);
    store.put("in/z.zip", zip(&forebay, "z.ndjson").await).await;
    store.put("in/c.parquet", parquet(Shape::Whole, 500)).await;
    orders.extend((0..500).map(|n| json!({"order_id": format!("P{n}")})));
    store.put("in/shop.map.toml", "").await;
    store.put("elsewhere.ndjson", "{torn").await;
    let ran = store.replay(&forebay, &["s3://shop/in/", "--to", &ingest.url()]).await;
    assert_eq!((ran.code, ran.figures(&["accepted"])), (Some(0), vec![93_500]), "{ran:?}");
    ingest.assert_logged(&orders).await;
    let files: Vec<Value> =
        ran.json().unwrap()["files"].as_array().unwrap().iter().map(|file| file["file"].clone()).collect();
    let whole = ["a.ndjson", "c.parquet", "deep/b b.ndjson.gz", "z.zip"].map(|name| format!("s3://shop/in/{name}"));
    assert_eq!(files, whole);

    // One alone, at an address that is said; what is rejected goes here.
    let mut command =
        store.command(&forebay, &["s3://shop/elsewhere.ndjson", "--to", &ingest.url(), "--s3-endpoint", &store.url]);
    let ran = Finished::from(command.env_remove("AWS_ENDPOINT_URL").output().await.unwrap());
    assert_eq!((ran.code, ran.figures(&["rejected"])), (Some(2), vec![1]), "{ran:?}");
    assert_eq!(forebay.read_lines("elsewhere.ndjson.rejects.ndjson")[0]["file"], "s3://shop/elsewhere.ndjson");
}

#[tokio::test]
async fn a_run_that_was_killed_goes_on_in_the_object_unless_it_was_written_anew() {
    let Some(store) = Store::start().await else { return };
    let (forebay, ingest) = (Forebay::new(), Ingest::start("objectkill", &[]).await);
    let orders = forebay.generate("orders.ndjson", &["--orders", "30000"]).await;
    store.put("orders.ndjson", forebay.read_bytes("orders.ndjson")).await;
    let proxy = Proxy::to(ingest.address.port()).await.unwrap();
    proxy.set(Mode::BlackHoleAfter(3_500_000));
    let to = format!("http://127.0.0.1:{}", proxy.port());
    let arguments = ["s3://shop/orders.ndjson", "--to", &to];
    let child = store.command(&forebay, &[&arguments[..], &["--rate", "12000"]].concat()).spawn().unwrap();
    eventually("it falls silent", async || (proxy.mode() == Mode::BlackHole, proxy.brought())).await;
    Signal::Kill.send(child.id().unwrap());
    child.wait_with_output().await.unwrap();
    proxy.set(Mode::Pass);

    store.put("orders.ndjson", forebay.read("orders.ndjson").replace("EUR", "USD")).await;
    let changed = store.replay(&forebay, &[&arguments[..], &["--resume"]].concat()).await;
    assert!(changed.code == Some(1) && changed.stderr.contains("has changed since the interrupted run"), "{changed:?}");

    // It is known by its content, whenever that was written.
    store.put("orders.ndjson", forebay.read_bytes("orders.ndjson")).await;
    let again = store.replay(&forebay, &[&arguments[..], &["--resume"]].concat()).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    let behind = again.json().unwrap()["files"][0]["resumed_behind"].as_u64().unwrap();
    assert!(behind > 0 && behind + again.figures(&["records"])[0] == 30_000, "{again:?}");
    ingest.assert_logged(&orders).await;
}

#[tokio::test]
async fn what_is_not_there_is_said_and_no_secret_is_told() {
    let Some(store) = Store::start().await else { return };
    let forebay = Forebay::new();
    for (name, code, said) in [
        ("s3://shop", 64, "expected s3://BUCKET/NAME"),
        ("s3://shop/none", 1, "cannot ask for s3://shop/none"),
        ("s3://shop/none/", 1, "there is no object under s3://shop/none/"),
        ("s3://nowhere/", 1, "cannot ask for s3://nowhere/"),
    ] {
        let ran = store.replay(&forebay, &[name, "--dry-run"]).await;
        assert!(ran.code == Some(code) && ran.stderr.contains(said) && !ran.stderr.contains(SECRET), "{ran:?}");
    }
    let ran = store.replay(&forebay, &["--follow", "s3://shop/"]).await;
    assert!(ran.code == Some(64) && ran.stderr.contains("objects do not grow"), "{ran:?}");
}
