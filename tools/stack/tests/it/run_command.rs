//! `forebay-stack run -- COMMAND`: what it starts it always stops.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use forebay_stack::Signal;
use forebay_testkit::eventually;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::{open_dir, processes_below};

/// Runs the command in servers below `place`, which is where temporary directories are made.
fn run(place: &Path, script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay-stack"));
    command.args(["run", "--postgres", "1", "--", "sh", "-c", script]).env("TMPDIR", place);
    command.stdout(Stdio::piped()).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Starts a run whose command goes on for ever, and waits until it does.
async fn running(place: &TempDir) -> Child {
    let mut child = run(place.path(), "echo started; exec sleep 600").spawn().expect("spawn");
    let output = child.stdout.take().expect("piped");
    let line = BufReader::new(output).lines().next_line().await.expect("read");
    assert_eq!(line.as_deref(), Some("started"));
    // Three servers at least; Postgres has helpers of its own.
    assert!(processes_below(place.path()).len() >= 3);
    child
}

fn left_in(place: &TempDir) -> Vec<std::ffi::OsString> {
    std::fs::read_dir(place.path()).expect("it is there").flatten().map(|entry| entry.file_name()).collect()
}

#[tokio::test]
async fn the_command_finds_the_servers_and_its_exit_code_comes_back() {
    let place = open_dir();
    let output = run(place.path(), "echo $FOREBAY_SHARDS; test -n \"$FOREBAY_TEST_STACK\" && exit 42").output().await;
    let output = output.expect("run");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("postgres://forebay@127.0.0.1:"));
    assert_eq!(output.status.code(), Some(42));
    assert!(left_in(&place).is_empty());
    assert!(processes_below(place.path()).is_empty());
}

#[tokio::test]
async fn kill_9_leaves_no_server_running_and_the_next_run_clears_up() {
    let place = open_dir();
    let mut child = running(&place).await;
    child.kill().await.expect("kill -9");
    eventually("no server of a killed run is left", async || {
        let left = processes_below(place.path());
        (left.is_empty(), left)
    })
    .await;
    assert_eq!(left_in(&place).len(), 1, "nobody was there to remove the directory");

    let output = run(place.path(), "true").output().await.expect("run");
    assert!(output.status.success());
    assert!(left_in(&place).is_empty(), "{:?}", left_in(&place));
}

#[tokio::test]
async fn a_run_beside_another_one_leaves_it_alone() {
    let place = open_dir();
    let mut first = running(&place).await;
    let output = run(place.path(), "true").output().await.expect("run");
    assert!(output.status.success());
    assert_eq!(left_in(&place).len(), 1);
    assert!(processes_below(place.path()).len() >= 3);
    Signal::Interrupt.send(first.id().expect("it runs"));
    first.wait().await.expect("wait");
}

#[tokio::test]
async fn a_signal_stops_command_and_servers_and_removes_the_directory() {
    for (signal, code) in [(Signal::Terminate, 143), (Signal::Interrupt, 130)] {
        let place = open_dir();
        let mut child = running(&place).await;
        signal.send(child.id().expect("it runs"));
        let status = tokio::time::timeout(Duration::from_secs(30), child.wait()).await.expect("it ends").expect("wait");
        assert_eq!(status.code(), Some(code));
        assert!(processes_below(place.path()).is_empty());
        assert!(left_in(&place).is_empty());
    }
}
