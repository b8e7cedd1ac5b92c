//! Runs that are interrupted, and go on.

use std::time::{Duration, Instant};

use forebay_stack::Signal;
use forebay_testkit::command::Finished;
use forebay_testkit::{Mode, Proxy, eventually};
use serde_json::Value;

use crate::forebay::Forebay;
use crate::replaying::ingest::Ingest;

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

/// Only the run that begins with the file meets its bad lines then. Gives how many they are.
fn bring_bad_lines_to_the_front(forebay: &Forebay, name: &str) -> usize {
    let (bad, good): (Vec<_>, Vec<_>) =
        forebay.read(name).lines().map(str::to_owned).partition(|line| line.starts_with("{\"bad\""));
    let count = bad.len();
    forebay.write(name, [bad, good].concat().join("\n"));
    count
}

/// A way to ingest that falls silent when that many bytes were brought.
async fn falling_silent(ingest: &Ingest, after: u64) -> Proxy {
    let proxy = Proxy::to(ingest.address.port()).await.unwrap();
    proxy.set(Mode::BlackHoleAfter(after));
    proxy
}

fn to(proxy: &Proxy) -> String {
    format!("http://127.0.0.1:{}", proxy.port())
}

/// Sends until the way falls silent, then ends the run by that signal.
async fn interrupt(forebay: &Forebay, proxy: &Proxy, arguments: &[&str], signal: Signal) -> Option<Finished> {
    let child = forebay.start(&[&["replay", "--to", &to(proxy), "--json"], arguments, &RATE].concat());
    let pid = child.id().unwrap();
    let begin = Instant::now();
    eventually("it falls silent", async || (proxy.mode() == Mode::BlackHole, proxy.brought())).await;
    let output = tokio::spawn(child.wait_with_output());
    // The first signal waits for answers, and none will come.
    while !output.is_finished() {
        assert!(begin.elapsed() < DEADLINE, "it does not end");
        signal.send(pid);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let output = output.await.unwrap().unwrap();
    (signal != Signal::Kill).then(|| Finished::from(output))
}

async fn resume(forebay: &Forebay, proxy: &Proxy, files: &[&str]) -> Finished {
    forebay.run(&[&["replay", "--to", &to(proxy), "--json", "--resume"], files].concat()).await
}

fn resumed_behind(ran: &Finished, file: usize) -> u64 {
    ran.json().unwrap()["files"][file]["resumed_behind"].as_u64().unwrap()
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
    let proxy = falling_silent(&ingest, 3_500_000).await;
    let ran = interrupt(&forebay, &proxy, &["orders.ndjson"], Signal::Interrupt).await.unwrap();
    assert_eq!((ran.code, &ran.json().unwrap()["ending"]), (Some(130), &"interrupted".into()), "{ran:?}");
    assert!(ran.stderr.contains("--resume goes on from here"), "{ran:?}");

    proxy.set(Mode::Pass);
    let again = resume(&forebay, &proxy, &["orders.ndjson"]).await;
    assert_eq!(again.code, Some(2), "{again:?}");
    let behind = resumed_behind(&again, 0);
    assert!(behind > 5000, "{again:?}");
    assert_eq!(behind + again.figures(&["records"])[0], ORDERS as u64);
    ingest.assert_logged(&orders).await;
    assert_each_bad_line_told_once(&forebay, "orders.ndjson.rejects.ndjson");

    let third = resume(&forebay, &proxy, &["orders.ndjson"]).await;
    assert!(third.stderr.contains("nothing to go on with"), "a finished run leaves nothing to resume: {third:?}");
}

#[tokio::test]
async fn a_run_that_was_killed_goes_on_too() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("killed", &[]).await;
    let orders = make_orders(&forebay, "orders.ndjson", "2").await;
    let proxy = falling_silent(&ingest, 5_500_000).await;
    assert!(interrupt(&forebay, &proxy, &["orders.ndjson"], Signal::Kill).await.is_none());
    proxy.set(Mode::Pass);
    let again = resume(&forebay, &proxy, &["orders.ndjson"]).await;
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(resumed_behind(&again, 0) > 0, "{again:?}");
    ingest.assert_logged(&orders).await;
    assert_each_bad_line_told_once(&forebay, "orders.ndjson.rejects.ndjson");
}

#[tokio::test]
async fn a_run_that_was_killed_before_anything_was_acknowledged_is_known_and_begun_again() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("early", &[]).await;
    let orders = make_orders(&forebay, "orders.ndjson", "9").await;
    let proxy = falling_silent(&ingest, 1).await;
    assert!(interrupt(&forebay, &proxy, &["orders.ndjson"], Signal::Kill).await.is_none());
    proxy.set(Mode::Pass);
    let again = resume(&forebay, &proxy, &["orders.ndjson"]).await;
    assert_eq!((again.code, resumed_behind(&again, 0)), (Some(2), 0), "{again:?}");
    let said =
        "orders.ndjson: the interrupted run has seen nothing of it acknowledged, so it is sent from its beginning";
    assert!(again.stderr.contains(said), "{again:?}");
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
    let proxy = falling_silent(&ingest, 10_000_000).await;
    interrupt(&forebay, &proxy, &files, Signal::Terminate).await.unwrap();
    proxy.set(Mode::Pass);
    let again = resume(&forebay, &proxy, &files).await;
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
    let proxy = falling_silent(&ingest, 3_000_000).await;
    interrupt(&forebay, &proxy, &["orders.ndjson"], Signal::Interrupt).await.unwrap();
    proxy.set(Mode::Pass);
    let brought = proxy.brought();
    forebay.write("orders.ndjson", forebay.read("orders.ndjson") + "\n{}\n");
    let again = resume(&forebay, &proxy, &["orders.ndjson"]).await;
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("orders.ndjson has changed since the interrupted run"), "{again:?}");
    assert_eq!(proxy.brought(), brought, "nothing was sent");
}

#[tokio::test]
async fn a_resumption_does_not_go_past_a_reject_that_is_in_no_file() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("untold", &[]).await;
    let orders = make_orders(&forebay, "orders.ndjson", "6").await;
    let bad = bring_bad_lines_to_the_front(&forebay, "orders.ndjson");
    // Every record can be sent, and no reject be written, as on a full disk.
    std::os::unix::fs::symlink("/dev/full", forebay.path("rejects")).unwrap();
    let command = ["replay", "orders.ndjson", "--to", &ingest.url(), "--rejects", "rejects", "--json"];
    let ran = forebay.run(&[&command[..], &RATE].concat()).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("No space left on device"), "{ran:?}");
    std::fs::remove_file(forebay.path("rejects")).unwrap();
    let again = forebay.run(&[&command[..], &["--resume"]].concat()).await;
    assert_eq!(again.code, Some(2), "{again:?}");
    ingest.assert_logged(&orders).await;
    let told: Vec<Value> = forebay.read_lines("rejects").iter().map(|reject| reject["line"].clone()).collect();
    assert_eq!(told, (1..=bad).map(Value::from).collect::<Vec<Value>>());
}

/// The same command where no file may have more than `blocks` blocks of 512 bytes, as if the disk were full then.
fn on_a_small_disk(command: &tokio::process::Command, blocks: u32) -> tokio::process::Command {
    let command = command.as_std();
    let mut small = tokio::process::Command::new("sh");
    small.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
    small.arg(command.get_program()).args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => small.env(name, value),
            None => small.env_remove(name),
        };
    }
    small
}

#[tokio::test]
async fn a_disk_that_gets_full_of_rejects_ends_the_run_and_the_next_one_goes_on() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("smalldisk", &[]).await;
    let orders = make_orders(&forebay, "orders.ndjson", "8").await;
    let command = ["replay", "orders.ndjson", "--to", &ingest.url(), "--json"];
    let full = on_a_small_disk(&forebay.command(&[&command[..], &RATE].concat()), 8).output().await.unwrap();
    let full = Finished::from(full);
    assert_eq!((full.code, &full.json().unwrap()["ending"]), (Some(1), &"undelivered".into()), "{full:?}");
    let said = "cannot write orders.ndjson.rejects.ndjson: File too large";
    assert_eq!((full.stderr.matches("cannot write").count(), full.stderr.matches(said).count()), (1, 1), "{full:?}");
    let told = forebay.read_lines("orders.ndjson.rejects.ndjson").len();
    assert!(told > 0 && told < bad().count(), "some are told, each on a whole line: {told}");

    let again = forebay.run(&[&command[..], &["--resume"]].concat()).await;
    assert_eq!(again.code, Some(2), "{again:?}");
    ingest.assert_logged(&orders).await;
    assert_each_bad_line_told_once(&forebay, "orders.ndjson.rejects.ndjson");
    let counts = serde_json::json!({"accepted": orders.len(), "rejected": bad().count()});
    assert_eq!(again.json().unwrap()["files"][0]["all_runs"], counts);
}

#[tokio::test]
async fn rejects_of_an_interrupted_run_that_are_gone_are_missed_and_the_summary_speaks_of_the_whole_file() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("gone", &[]).await;
    let orders = make_orders(&forebay, "orders.ndjson", "7").await;
    let count = bring_bad_lines_to_the_front(&forebay, "orders.ndjson");
    let proxy = falling_silent(&ingest, 3_500_000).await;
    interrupt(&forebay, &proxy, &["orders.ndjson"], Signal::Interrupt).await.unwrap();
    proxy.set(Mode::Pass);
    let rejects = forebay.path("orders.ndjson.rejects.ndjson");
    std::fs::rename(&rejects, forebay.path("aside")).unwrap();
    let refused = resume(&forebay, &proxy, &["orders.ndjson"]).await;
    assert_eq!(refused.code, Some(64), "{refused:?}");
    assert!(refused.stderr.contains("is not as the interrupted run has left it"), "{refused:?}");
    let elsewhere = resume(&forebay, &proxy, &["orders.ndjson", "--rejects", "other"]).await;
    assert_eq!(elsewhere.code, Some(64), "{elsewhere:?}");

    std::fs::rename(forebay.path("aside"), &rejects).unwrap();
    let again = resume(&forebay, &proxy, &["orders.ndjson"]).await;
    assert_eq!((again.code, again.figures(&["rejected"])), (Some(2), vec![0]), "{again:?}");
    let file = again.json().unwrap()["files"][0].clone();
    assert_eq!(file["all_runs"], serde_json::json!({"accepted": orders.len(), "rejected": count}));
    assert!(file["rejects"].as_str().unwrap().ends_with("orders.ndjson.rejects.ndjson"), "{file}");
    assert!(again.stderr.contains(&format!("in all 29,940 accepted, {count} rejected, see ")), "{again:?}");
}
