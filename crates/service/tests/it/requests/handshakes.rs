//! Peers that come by TLS and are rude before there is a request, or below it. Each is let go of in the end, holds little until then, and
//! is in nobody's way.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use forebay_service::http::HttpLimits;
use forebay_service::{Service, ServiceSettings};
use futures::future::join_all;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::server::{SOON, TestService};
use crate::tls::Authority;

/// For how long a peer may take to come to an understanding, and some more for a busy machine.
const CUT_OFF: Duration = Duration::from_secs(9);
/// Before that nobody is cut off who is only slow.
const PATIENCE: Duration = Duration::from_millis(4900);

struct Scene {
    server: TestService,
    authority: Authority,
}

impl Scene {
    async fn start(connections_max: usize) -> Self {
        let authority = Authority::new();
        let settings = ServiceSettings { tls: authority.settings("localhost", false), ..ServiceSettings::default() };
        let mut service = Service::new(&settings).unwrap();
        service.http_limits = HttpLimits { connections_max, ..HttpLimits::default() };
        let hello = Router::new().route("/hello", get(async || "hello"));
        Self { server: TestService::of(service, hello).await, authority }
    }

    fn config(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        config.with_root_certificates(self.authority.roots()).with_no_client_auth()
    }

    /// How a handshake begins.
    fn client_hello(&self) -> Vec<u8> {
        let config = Arc::new(self.config(rustls::ALL_VERSIONS));
        let mut client = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        hello
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.server.address).await.unwrap()
    }

    /// Somebody who has nothing to hide is answered, and how soon.
    async fn is_answered(&self) -> Duration {
        let began = Instant::now();
        let url = format!("https://localhost:{}/hello", self.server.address.port());
        let answer = self.authority.client(None).get(url).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "hello");
        began.elapsed()
    }
}

/// Waits until the server ends a connection, and says how long that took.
async fn cut_off(mut stream: TcpStream, what: &str) -> Duration {
    let began = Instant::now();
    let mut rest = Vec::new();
    // That it was reset is an end, too.
    let _ = timeout(CUT_OFF, stream.read_to_end(&mut rest)).await.unwrap_or_else(|_| panic!("{what} is kept"));
    began.elapsed()
}

#[tokio::test]
async fn who_comes_to_no_handshake_is_cut_off() {
    let scene = Scene::start(100).await;
    let hello = scene.client_hello();
    let with = async |bytes: &[u8]| {
        let mut stream = scene.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream
    };
    let (silent, half) = (scene.connect().await, with(&hello[..hello.len() / 2]).await);
    // It has all that it needs to go on, and does not.
    let stopped = with(&hello).await;
    let closing = {
        let mut stream = with(&hello).await;
        stream.shutdown().await.unwrap();
        stream
    };
    let dripping = async {
        let (mut stream, began) = (scene.connect().await, Instant::now());
        for byte in &hello {
            if stream.write_all(&[*byte]).await.is_err() || began.elapsed() > CUT_OFF {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        assert!(began.elapsed() < CUT_OFF, "each byte buys more time");
        cut_off(stream, "a byte at a time").await;
    };
    let kept = async |stream, what: &'static str| assert!(cut_off(stream, what).await > PATIENCE, "{what}");
    tokio::join!(
        kept(silent, "nothing"),
        kept(half, "half of a beginning"),
        kept(stopped, "a beginning alone"),
        async { assert!(cut_off(closing, "a half-open one").await < CUT_OFF) },
        dripping,
    );
    scene.is_answered().await;
}

#[tokio::test]
async fn what_is_no_handshake_ends_the_connection_at_once() {
    let scene = Scene::start(100).await;
    let hello = scene.client_hello();
    let mut damaged = hello.clone();
    damaged[5..].iter_mut().step_by(3).for_each(|byte| *byte ^= 0x5a);
    let noise: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (what, bytes) in [
        ("plain HTTP", b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("noise", noise),
        ("a damaged beginning", damaged),
        ("a record longer than one may be", [&[0x16, 3, 1, 0xff, 0xff][..], &vec![0; 70_000]].concat()),
        ("a handshake message of 16 MiB", [&[0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &[0; 16_380]].concat()),
        ("data before the handshake", [0x17, 3, 3, 0, 2, 0, 0].to_vec()),
        ("an old version", [0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10].to_vec()),
        ("a thousand empty records", [0x16, 3, 1, 0, 0].repeat(1000)),
        ("warnings without end", [0x15, 3, 3, 0, 2, 1, 90].repeat(1000)),
    ] {
        let mut stream = scene.connect().await;
        // The server need not take all of it.
        let _ = stream.write_all(&bytes).await;
        let after = cut_off(stream, what).await;
        assert!(after < PATIENCE, "{what} is waited for: {after:?}");
    }
    scene.is_answered().await;
}

#[tokio::test]
async fn who_begins_anew_or_talks_nonsense_behind_the_handshake_is_cut_off() {
    let scene = Scene::start(100).await;
    let hello = scene.client_hello();
    for version in rustls::ALL_VERSIONS {
        for (what, bytes) in [
            ("another beginning", hello.clone()),
            ("a request to begin anew", vec![0x16, 3, 3, 0, 4, 0, 0, 0, 0]),
            ("changes of keys without end", [0x14, 3, 3, 0, 1, 1].repeat(1000)),
            ("what was not encrypted", [&[0x17, 3, 3, 0, 32][..], &[7; 32]].concat()),
        ] {
            let connector = TlsConnector::from(Arc::new(scene.config(&[version])));
            let name = ServerName::try_from("localhost").unwrap();
            let secured = connector.connect(name, scene.connect().await).await.unwrap();
            let (mut stream, _) = secured.into_inner();
            let _ = stream.write_all(&bytes).await;
            let after = cut_off(stream, what).await;
            assert!(after < PATIENCE, "{what} is waited for: {after:?}");
        }
    }
    scene.is_answered().await;
}

#[tokio::test]
async fn two_thousand_who_come_to_no_handshake_hold_little_and_are_in_nobodys_way() {
    const MANY: usize = 2000;
    let scene = Scene::start(MANY + 100).await;
    let hello = scene.client_hello();
    scene.is_answered().await;
    let before = resident_bytes();
    let mut idle = Vec::new();
    for n in 0..MANY {
        let mut stream = scene.connect().await;
        stream.write_all(&hello[..hello.len() * (n % 3) / 2]).await.unwrap();
        idle.push(stream);
    }
    let answered = scene.is_answered().await;
    assert!(answered < Duration::from_secs(3), "it took {answered:?}");
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 128 << 20, "{grown} bytes for {MANY} connections");
    join_all(idle.into_iter().map(|stream| cut_off(stream, "one of many"))).await;
    scene.is_answered().await;
}

#[tokio::test]
async fn places_that_silent_peers_hold_are_free_again() {
    let scene = Scene::start(10).await;
    let _silent = join_all((0..10).map(|_| scene.connect())).await;
    let answered = timeout(SOON, scene.is_answered()).await.expect("the silent ones are cut off");
    assert!(answered < CUT_OFF, "{answered:?}");
}

pub(super) fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}
