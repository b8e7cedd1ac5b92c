//! What several tests need: looking at processes, speaking to servers.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use procfs::process::{Process, all_processes};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DEADLINE: Duration = Duration::from_secs(30);

/// A directory that the servers' user can reach also when root runs the tests.
pub(crate) fn open_dir() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("chmod");
    dir
}

/// The processes that work in a directory below `dir`.
pub(crate) fn processes_below(dir: &Path) -> Vec<u32> {
    let dir = dir.canonicalize().expect("the directory is there");
    let processes = all_processes().expect("/proc").flatten();
    let below = processes.filter(|process| process.cwd().is_ok_and(|cwd| cwd.starts_with(&dir)));
    below.map(|process| process.pid() as u32).collect()
}

/// The user that a process runs as.
pub(crate) fn user_of(pid: u32) -> u32 {
    Process::new(pid as i32).and_then(|process| process.uid()).expect("the process runs")
}

/// The state of a process as the kernel names it: `T` for frozen.
pub(crate) fn state_of(pid: u32) -> Option<char> {
    Some(Process::new(pid as i32).ok()?.stat().ok()?.state)
}

/// Sends text to a port and reads until the answer holds `enough`.
pub(crate) async fn ask(url: &str, text: &str, enough: &str) -> String {
    let address = url.split_once("://").expect("an address").1;
    let mut stream = TcpStream::connect(address).await.expect("connect");
    stream.write_all(text.as_bytes()).await.expect("write");
    let mut answer = Vec::new();
    loop {
        let read = tokio::time::timeout(DEADLINE, stream.read_buf(&mut answer)).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let read = read.unwrap_or_else(|_| panic!("only {text:?} came")).expect("read");
        if text.contains(enough) || read == 0 {
            return text;
        }
    }
}

/// One request to the `JetStream` API.
pub(crate) async fn jetstream(url: &str, subject: &str, body: &str) -> String {
    let text = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB $JS.API.{subject} answer {}\r\n{body}\r\n",
        body.len()
    );
    // The greeting of the server ends in `} `, the answer does not.
    ask(url, &text, "}\r\n").await
}
