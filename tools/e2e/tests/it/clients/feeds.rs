//! An open stream of `/v1/changes` ends when what its client came in by does.

use std::path::Path;

use forebay_e2e::System;
use forebay_stack::{Durability, ServiceName};
use forebay_testkit::eventually;
use reqwest::{Client, Response};

/// Keys by the client's name.
fn listed(clients: &[(&str, &str)]) -> String {
    let client = |(name, more): &(&str, &str)| {
        let key = super::bound::sha256(name);
        format!("[[client]]\nname = '{name}'\nkey_sha256 = '{key}'\n{more}\n")
    };
    clients.iter().map(client).collect()
}

async fn open(http: &Client, system: &System, key: &str) -> Response {
    let request = http.get(system.url(ServiceName::Query, "/v1/changes?since=0")).bearer_auth(key);
    let mut answer = request.header("accept", "application/x-ndjson").send().await.unwrap();
    assert_eq!(answer.status(), 200, "{key}");
    assert!(answer.chunk().await.unwrap().is_some(), "it says where it is");
    answer
}

/// Reads a stream to its end.
async fn ends(name: &str, mut answer: Response) {
    let ended = async { while answer.chunk().await.unwrap().is_some() {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), ended).await.unwrap_or_else(|_| panic!("{name} goes on"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_client_would_not_come_in_any_more_or_is_bound_otherwise() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |path: &Path, clients: &[(&str, &str)]| std::fs::write(path, listed(clients)).unwrap();
    let read = "rights = ['read']";
    let [bound, elsewhere] = ["C1", "C2"].map(|customer| format!("{read}\ncustomer = '{customer}'"));
    write(file.path(), &[("stays", read), ("revoked", read), ("bound", &bound), ("loses", read)]);
    let settings = [("FOREBAY_CLIENTS_FILE", file.path().to_str().unwrap())];
    let system = System::start(1, Durability::Fast, &settings).await.unwrap();
    let http = Client::new();
    eventually("there is something to follow", async || {
        let asked = http.get(system.url(ServiceName::Query, "/v1/changes")).bearer_auth("stays").send().await;
        let status = asked.unwrap().status();
        (status == 200, status)
    })
    .await;
    let mut stays = open(&http, &system, "stays").await;
    let (revoked, other) = (open(&http, &system, "revoked").await, open(&http, &system, "bound").await);
    let loses = open(&http, &system, "loses").await;
    write(file.path(), &[("stays", read), ("bound", &elsewhere), ("loses", "rights = ['write']")]);
    for (name, stream) in [("revoked", revoked), ("bound otherwise", other), ("without the right", loses)] {
        ends(name, stream).await;
    }
    assert!(stays.chunk().await.unwrap().is_some(), "another one goes on");
    system.stop().await.unwrap();
}
