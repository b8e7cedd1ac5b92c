//! The reader of what a command prints may have had enough: `forebay shards | head -1`.

use tokio::process::Command;

use crate::forebay::Forebay;
use crate::operating::operated::Operated;

/// How it ends where everybody reads, where nobody reads its data, and where nobody reads anything.
async fn codes(command: impl Fn() -> Command) -> [Option<i32>; 3] {
    let nobody = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    let read = command().output().await.unwrap().status.code();
    let no_data = command().stdout(nobody()).output().await.unwrap().status.code();
    let nothing = command().stdout(nobody()).stderr(nobody()).status().await.unwrap().code();
    [read, no_data, nothing]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_minds_that_nobody_reads_any_more() {
    let mut system = Operated::new("pipes", 2).await;
    system.log_orders(&[1, 2, 3].map(forebay_testkit::order::numbered)).await;
    system.stored().await;
    for command in [
        &["shards"][..],
        &["shards", "--json"],
        &["migrate"],
        &["verify"],
        &["views", "list"],
        &["settings", "show"],
        &["dead", "list"],
        &["dead", "show", "0/77"],
        &["dead", "requeue", "--all"],
        &["dead", "purge", "--all"],
        &["index", "backfill"],
        &["log", "show", "logged", "0"],
        &["log", "show", "control", "0"],
        &["log", "accept-loss", "logged", "0"],
        &["audit"],
        &["shards", "status"],
    ] {
        let [read, no_data, nothing] = codes(|| system.command(command)).await;
        assert_eq!((no_data, nothing), (read, read), "{command:?}");
    }
    system.stop_writer().await;

    let forebay = Forebay::new();
    forebay.write("orders.ndjson", "{}\n");
    for command in [
        &["--help"][..],
        &["--version"],
        &["-V"],
        &["nothing"],
        &["shards", "--nats", "nats://a b"],
        &["generate", "--orders", "100000"],
        &["doctor", "--nats", "nats://127.0.0.1:1", "--shards", "postgres://x@127.0.0.1:1/x", "--redis", "none"],
        &["replay", "orders.ndjson", "--dry-run", "--json"],
        &["ingest", "--listen", "nowhere"],
        &["map", "list"],
        &["map", "show", "forebay-csv"],
    ] {
        let [read, no_data, nothing] = codes(|| forebay.command(command)).await;
        assert_eq!((no_data, nothing), (read, read), "{command:?}");
    }
}
