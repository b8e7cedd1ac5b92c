//! Runs that are interrupted, and go on.

use std::time::{Duration, Instant};

use forebay_stack::Signal;
use serde_json::Value;

use crate::forebay::{Forebay, Ran};
use crate::ingest::Ingest;
use crate::link::Link;

const DEADLINE: Duration = Duration::from_secs(30);
const ORDERS: usize = 30_000;
/// A rate makes requests small, and a run so long that its state is saved on the way.
const RATE: [&str; 2] = ["--rate", "12000"];

/// A file of orders, of which every 500th is bad. Gives the orders that are not.
async fn make_orders(forebay: &Forebay, name: &str, seed: &str) -> Vec<Value> {
    let mut orders = forebay.generate(name, &["--orders", &ORDERS.to_string(), "--seed", seed]).await;
    let mut lines: Vec<String> = forebay.read(name).lines().map(str::to_owned).collect();
    for line in bad() {
        lines[line] = format!("{{\"bad\":{line}}}");
    }
    forebay.write(name, lines.join("\n"));
    for line in bad().rev() {
        orders.remove(line);
    }
    orders
}

fn bad() -> impl DoubleEndedIterator<Item = usize> {
    (0..ORDERS).step_by(500)
}

/// Sends until the link falls silent, then ends the run by that signal.
async fn interrupt(forebay: &Forebay, link: &Link, arguments: &[&str], signal: Signal) -> Option<Ran> {
    let child = forebay.start(&[&["replay", "--to", &link.url(), "--json"], arguments, &RATE].concat());
    let pid = child.id().unwrap();
    let begin = Instant::now();
    while !link.is_silent() {
        assert!(begin.elapsed() < DEADLINE, "only {} bytes came", link.passed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let output = tokio::spawn(child.wait_with_output());
    // The first signal waits for answers, and none will come.
    while !output.is_finished() {
        assert!(begin.elapsed() < DEADLINE, "it does not end");
        signal.send(pid);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let output = output.await.unwrap().unwrap();
    (signal != Signal::Kill).then(|| Ran::of(output))
}

async fn resume(forebay: &Forebay, link: &Link, files: &[&str]) -> Ran {
    forebay.run(&[&["replay", "--to", &link.url(), "--json", "--resume"], files].concat()).await
}

fn resumed_behind(ran: &Ran, file: usize) -> u64 {
    ran.summary()["files"][file]["resumed_behind"].as_u64().unwrap()
}

fn assert_each_bad_line_told_once(forebay: &Forebay, rejects: &str) {
    let told: Vec<usize> =
        forebay.read_lines(rejects).iter().map(|reject| reject["line"].as_u64().unwrap() as usize - 1).collect();
    assert_eq!(told, bad().collect::<Vec<_>>());
}

#[tokio::test]
async fn an_interrupted_run_goes_on_behind_what_was_acknowledged() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("resume", &[]).await;
    let orders = make_orders(&forebay, "orders.ndjson", "1").await;
    let link = Link::falling_silent(ingest.address, 3_500_000).await;
    let ran = interrupt(&forebay, &link, &["orders.ndjson"], Signal::Interrupt).await.unwrap();
    assert_eq!((ran.code, &ran.summary()["ending"]), (Some(130), &"interrupted".into()), "{ran:?}");
    assert!(ran.stderr.contains("--resume goes on from here"), "{ran:?}");

    link.heal();
    let again = resume(&forebay, &link, &["orders.ndjson"]).await;
    assert_eq!(again.code, Some(2), "{again:?}");
    let behind = resumed_behind(&again, 0);
    assert!(behind > 5000, "{again:?}");
    assert_eq!(behind + again.figures(&["records"])[0], ORDERS as u64);
    ingest.assert_logged(&orders).await;
    assert_each_bad_line_told_once(&forebay, "orders.ndjson.rejects.ndjson");

    let third = resume(&forebay, &link, &["orders.ndjson"]).await;
    assert!(third.stderr.contains("nothing to go on with"), "a finished run leaves nothing to resume: {third:?}");
}

#[tokio::test]
async fn a_run_that_was_killed_goes_on_too() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("killed", &[]).await;
    let orders = make_orders(&forebay, "orders.ndjson", "2").await;
    let link = Link::falling_silent(ingest.address, 5_500_000).await;
    assert!(interrupt(&forebay, &link, &["orders.ndjson"], Signal::Kill).await.is_none());
    link.heal();
    let again = resume(&forebay, &link, &["orders.ndjson"]).await;
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(resumed_behind(&again, 0) > 0, "{again:?}");
    ingest.assert_logged(&orders).await;
    assert_each_bad_line_told_once(&forebay, "orders.ndjson.rejects.ndjson");
}

#[tokio::test]
async fn a_file_that_is_done_is_not_sent_again() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("files", &[]).await;
    let mut orders = make_orders(&forebay, "a.ndjson", "3").await;
    orders.extend(make_orders(&forebay, "b.ndjson", "4").await);
    let files = ["a.ndjson", "b.ndjson", "--rejects", "all"];
    let link = Link::falling_silent(ingest.address, 10_000_000).await;
    interrupt(&forebay, &link, &files, Signal::Terminate).await.unwrap();
    link.heal();
    let again = resume(&forebay, &link, &files).await;
    assert_eq!((again.code, resumed_behind(&again, 0)), (Some(2), ORDERS as u64), "{again:?}");
    assert!(resumed_behind(&again, 1) > 0, "{again:?}");
    ingest.assert_logged(&orders).await;
    let told: Vec<(Value, Value)> = forebay
        .read_lines("all")
        .iter()
        .map(|reject| (reject["file"].clone(), reject["record"]["bad"].clone()))
        .collect();
    let expected = ["a.ndjson", "b.ndjson"].map(|file| bad().map(move |line| (file.into(), line.into())));
    assert_eq!(told, expected.into_iter().flatten().collect::<Vec<(Value, Value)>>());
}

#[tokio::test]
async fn a_file_that_has_changed_is_not_gone_on_with() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("changed", &[]).await;
    make_orders(&forebay, "orders.ndjson", "5").await;
    let link = Link::falling_silent(ingest.address, 3_000_000).await;
    interrupt(&forebay, &link, &["orders.ndjson"], Signal::Interrupt).await.unwrap();
    link.heal();
    let passed = link.passed();
    forebay.write("orders.ndjson", forebay.read("orders.ndjson") + "\n{}\n");
    let again = resume(&forebay, &link, &["orders.ndjson"]).await;
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("orders.ndjson has changed since the interrupted run"), "{again:?}");
    assert_eq!(link.passed(), passed, "nothing was sent");
}
