//! Children of any kind: what goes wrong with them is told in one message.

use std::time::Duration;

use forebay_stack::{Managed, Process, Program, Ready, Signal};
use forebay_testkit::eventually;

use crate::support::processes_below;

fn shell(script: &str, log: &std::path::Path, ready: Ready) -> Managed {
    Managed::new("the shell", Program::new("/bin/sh").args(["-c", script]), log, ready)
}

#[tokio::test]
async fn a_child_that_ends_while_it_starts_shows_its_last_words() {
    let dir = tempfile::tempdir().expect("tempdir");
    let log = dir.path().join("log");
    std::fs::write(&log, "old words\n").expect("write");
    let never = Ready::new(|_| async { anyhow::bail!("not yet") });
    let error = Process::start(shell("echo last words; exit 3", &log, never)).await.err().expect("it ended");
    let text = format!("{error:#}");
    assert_eq!(text, "the shell ended while it started (exit status: 3):\n  last words");
}

#[tokio::test]
async fn a_child_that_never_gets_ready_is_killed_and_says_why() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut managed = shell("exec sleep 600", &dir.path().join("log"), Ready::http(1, "/readyz"));
    managed.start_within = Duration::from_millis(300);
    managed.program = managed.program.dir(dir.path());
    let text = format!("{:#}", Process::start(managed).await.err().expect("it is not ready"));
    assert!(text.starts_with("the shell was not ready after 300ms: cannot connect to 127.0.0.1:1"), "{text}");
    assert_eq!(crate::support::processes_below(dir.path()), Vec::<u32>::new());
}

#[tokio::test]
async fn a_child_that_ignores_the_stop_signal_is_killed() {
    let dir = tempfile::tempdir().expect("tempdir");
    let log = dir.path().join("log");
    let script = "trap 'echo ignored' TERM; echo up; while :; do sleep 0.05; done";
    let up = log.clone();
    let ready = Ready::new(move |_| {
        let up = std::fs::read_to_string(&up).is_ok_and(|text| text.contains("up"));
        async move { if up { Ok(()) } else { anyhow::bail!("not up") } }
    });
    let mut managed = shell(script, &log, ready);
    managed.stop_within = Duration::from_millis(300);
    let process = Process::start(managed).await.expect("start");
    let status = process.stop().await.expect("it ran");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    assert!(!process.is_alive());
    assert!(std::fs::read_to_string(&log).expect("read").contains("ignored"));
}

#[tokio::test]
async fn a_dropped_child_is_killed_with_its_children() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut managed = shell("sleep 600 & wait", &dir.path().join("log"), Ready::at_once());
    managed.program = managed.program.dir(dir.path());
    let process = Process::start(managed).await.expect("start");
    let are_left = async |count: usize| {
        let found = processes_below(dir.path());
        (found.len() == count, found)
    };
    eventually("the shell has a child", async || are_left(2).await).await;
    drop(process);
    eventually("a dropped process is gone with its children", async || are_left(0).await).await;
    Signal::Terminate.send(u32::MAX);
}
