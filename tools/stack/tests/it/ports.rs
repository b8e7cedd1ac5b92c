//! A port that somebody else has.

use std::net::TcpListener;

use forebay_stack::{PortInUse, Stack, StackConfig, free_ports};

use crate::support::{open_dir, processes_below};

#[tokio::test]
async fn a_port_in_use_is_one_sentence_and_leaves_nothing_running() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bind");
    let taken = taken.local_addr().expect("bound").port();
    for wanted in ["Postgres shard 0", "NATS", "Redis"] {
        let other = TcpListener::bind("127.0.0.1:0").expect("bind");
        let taken = other.local_addr().map_or(taken, |address| address.port());
        let dir = open_dir();
        let mut ports = free_ports(3);
        ports[["Postgres shard 0", "NATS", "Redis"].iter().position(|name| *name == wanted).expect("listed")] = taken;
        let config = StackConfig::new(dir.path(), vec![ports[0]], ports[1], ports[2]);
        let error = Stack::start(config).await.err().expect("the port is taken");
        let expected = format!("{wanted} cannot listen on 127.0.0.1:{taken}: the port is in use by another program");
        assert_eq!(format!("{error:#}"), expected);
        assert!(error.is::<PortInUse>());
        assert_eq!(processes_below(dir.path()), Vec::<u32>::new());
    }
}
