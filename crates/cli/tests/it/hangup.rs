//! A service whose terminal goes, or whose supervisor sends SIGHUP, goes on.

use std::time::Duration;

use forebay_stack::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::forebay::Forebay;

const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_hangup_ends_no_service() {
    let forebay = Forebay::new();
    let nobody = format!("nats://127.0.0.1:{}", forebay_stack::free_ports(1)[0]);
    let shards = format!("postgres://nobody@127.0.0.1:{}/none", forebay_stack::free_ports(1)[0]);
    let flags = ["--listen", "127.0.0.1:0", "--nats", &nobody];
    for service in [
        &["ingest"][..],
        &["query", "--redis", "none", "--shards", &shards],
        &["writer", "--shards", &shards],
        &["serve", "--redis", "none", "--shards", &shards],
    ] {
        let mut child = forebay.start(&[service, &flags].concat());
        let (pid, mut log) = (child.id().unwrap(), BufReader::new(child.stderr.take().unwrap()).lines());
        let mut said = async |text: &str| loop {
            let line = tokio::time::timeout(DEADLINE, log.next_line()).await.unwrap().unwrap().expect("it goes on");
            if line.contains(text) {
                return;
            }
        };
        said("dependency is down").await;
        Signal::Hangup.send(pid);
        said("SIGHUP changes nothing").await;
        Signal::Terminate.send(pid);
        let ended = tokio::time::timeout(DEADLINE, child.wait()).await.unwrap().unwrap();
        assert_eq!(ended.code(), Some(0), "{service:?}");
    }
}
