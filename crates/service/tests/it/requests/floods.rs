//! Somebody floods a service over TLS and HTTP/2, as fast as a part of a core can: all others are answered as soon as before, and
//! nothing grows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use forebay_service::{Service, ServiceSettings};
use reqwest::Client;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::handshakes::resident_bytes;
use crate::server::TestService;
use crate::tls::Authority;

/// The flood has a quarter of a core: it works so long, and rests three times as long.
const WORKS: Duration = Duration::from_millis(2);
const RESTS: Duration = Duration::from_millis(6);
/// In turns there is a flood, and none.
const TURN: Duration = Duration::from_millis(500);
const TURNS: usize = 4;
/// Who is answered within this time is held up by nobody, whatever it was before.
const SOON_ENOUGH: Duration = Duration::from_millis(5);
const ATTEMPTS: usize = 3;
/// What is held for those who flood.
const HELD_BYTES_MAX: usize = 64 << 20;

/// What is sent again and again on a connection of HTTP/2; nothing: it is hung up behind the handshake.
struct Flood {
    name: &'static str,
    /// The bytes of each turn, by its number.
    piece: Option<fn(u32) -> Vec<u8>>,
}

/// See RFC 9113, section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The stream of a client's turn.
fn stream(turn: u32) -> u32 {
    2 * turn + 1
}

/// `GET https://x/hello`, see RFC 7541, appendices A and B.
fn get_hello() -> Vec<u8> {
    [&[0x82, 0x87, 0x04, 6][..], b"/hello", &[0x41, 1], b"x"].concat()
}

static FLOODS: [Flood; 9] = [
    Flood { name: "handshakes", piece: None },
    Flood {
        name: "requests that are reset at once",
        piece: Some(|turn| {
            let request = frame(HEADERS, END_HEADERS | END_STREAM, stream(turn), &get_hello());
            [request, frame(RST_STREAM, 0, stream(turn), &8_u32.to_be_bytes())].concat()
        }),
    },
    Flood {
        name: "requests that make the server reset",
        piece: Some(|turn| {
            let request = frame(HEADERS, END_HEADERS, stream(turn), &get_hello());
            [request, frame(WINDOW_UPDATE, 0, stream(turn), &0_u32.to_be_bytes())].concat()
        }),
    },
    Flood {
        name: "requests without end",
        piece: Some(|turn| frame(HEADERS, END_HEADERS | END_STREAM, stream(turn), &get_hello())),
    },
    Flood { name: "pings", piece: Some(|_| frame(PING, 0, 0, &[7; 8])) },
    Flood {
        name: "settings",
        piece: Some(|turn| frame(SETTINGS, 0, 0, &[&[0, 4][..], &(turn % 9).to_be_bytes()].concat())),
    },
    Flood {
        name: "headers that go on for ever",
        piece: Some(|turn| match turn {
            0 => frame(HEADERS, 0, 1, &get_hello()),
            _ => frame(CONTINUATION, 0, 1, &[&[0x00, 1][..], b"a", &[100], &[b'b'; 100]].concat().repeat(20)),
        }),
    },
    Flood {
        name: "headers that are more than they seem",
        piece: Some(|turn| {
            // One header of 4,000 bytes into the table, and then by its number, a byte each time.
            let first = [&[0x40, 1][..], b"a", &[0x7f, 0xa1, 0x1e], &[b'b'; 4000]].concat();
            let block = [get_hello(), first, vec![0xbe; 8000]].concat();
            frame(HEADERS, END_HEADERS | END_STREAM, stream(turn), &block)
        }),
    },
    Flood {
        name: "bodies of nothing",
        piece: Some(|turn| match turn {
            0 => frame(HEADERS, END_HEADERS, 1, &get_hello()),
            _ => frame(DATA, 0, 1, &[]),
        }),
    },
];

/// Floods until it is told to stop, and counts turns and connections.
struct Attacker {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    stop: Arc<AtomicBool>,
    turns: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
}

impl Attacker {
    async fn flood(&self, flood: &Flood) {
        let mut began = Instant::now();
        while !self.is_told_to_stop() {
            // It may be refused, or cut off at any point: then it comes again.
            let _ = timeout(TURN, self.connection(flood, &mut began)).await;
            rest(&mut began).await;
        }
    }

    fn is_told_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    async fn connection(&self, flood: &Flood, began: &mut Instant) -> std::io::Result<()> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let name = ServerName::try_from("localhost").unwrap();
        let peer = connector.connect(name, TcpStream::connect(self.address).await?).await?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        let Some(piece) = flood.piece else { return Ok(()) };
        let (mut answers, mut requests) = split(peer);
        let reading = async {
            let mut buffer = vec![0; 1 << 14];
            while answers.read(&mut buffer).await? > 0 {}
            std::io::Result::Ok(())
        };
        let writing = async {
            let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat();
            requests.write_all(&preface).await?;
            for turn in 0.. {
                if self.is_told_to_stop() {
                    break;
                }
                requests.write_all(&piece(turn)).await?;
                self.turns.fetch_add(1, Ordering::Relaxed);
                rest(began).await;
            }
            Ok(())
        };
        tokio::select! {
            ended = reading => ended,
            ended = writing => ended,
        }
    }
}

/// Rests, where it has worked.
async fn rest(began: &mut Instant) {
    if began.elapsed() >= WORKS {
        sleep(RESTS).await;
        *began = Instant::now();
    }
}

/// How long answers take that are asked for one after the other, for a while.
async fn answered(client: &Client, url: &str, waits: &mut Vec<Duration>) {
    let end = Instant::now() + TURN;
    while Instant::now() < end {
        let began = Instant::now();
        let answer = client.get(url).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "hello");
        waits.push(began.elapsed());
        sleep(Duration::from_millis(1)).await;
    }
}

fn p99(waits: &mut [Duration]) -> Duration {
    waits.sort_unstable();
    waits[waits.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, for a machine that does nothing else"]
async fn who_floods_by_tls_and_http2_holds_nobody_up() {
    let authority = Authority::new();
    let settings = ServiceSettings { tls: authority.settings("localhost", false), ..ServiceSettings::default() };
    let hello = Router::new().route("/hello", get(async || "hello"));
    let server = TestService::of(Service::new(&settings).unwrap(), hello).await;
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authority.roots())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    let (config, url) = (Arc::new(config), format!("https://localhost:{}/hello", server.address.port()));
    let client = authority.client(None);
    answered(&client, &url, &mut Vec::new()).await;
    for flood in &FLOODS {
        let mut seen = Vec::new();
        // The machine may have other things to do; a client that is held up by a flood is so each time.
        while !seen.last().is_some_and(Seen::is_well) {
            assert!(seen.len() < ATTEMPTS, "{}: {seen:#?}", flood.name);
            seen.push(Seen::of(flood, server.address, &config, &client, &url).await);
            let last = &seen[seen.len() - 1];
            println!("{}, {} turns: {last:?}", flood.name, last.turns);
        }
    }
}

/// What was seen of a flood.
#[derive(Debug)]
struct Seen {
    p99_before: Duration,
    p99_during: Duration,
    turns: u64,
    connections: u64,
    grown_bytes: usize,
}

impl Seen {
    async fn of(
        flood: &'static Flood,
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        client: &Client,
        url: &str,
    ) -> Self {
        let (mut before, mut during) = (Vec::new(), Vec::new());
        let (turns, connections) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let held = resident_bytes();
        for _ in 0..TURNS {
            answered(client, url, &mut before).await;
            let attacker = Attacker {
                address,
                config: Arc::clone(config),
                stop: Arc::default(),
                turns: Arc::clone(&turns),
                connections: Arc::clone(&connections),
            };
            let stop = Arc::clone(&attacker.stop);
            // It has a thread of its own, so that its rests are those of the flood.
            let flooding = thread::spawn(move || {
                Builder::new_current_thread().enable_all().build().unwrap().block_on(attacker.flood(flood));
            });
            answered(client, url, &mut during).await;
            stop.store(true, Ordering::Relaxed);
            tokio::task::spawn_blocking(|| flooding.join().unwrap()).await.unwrap();
        }
        Self {
            p99_before: p99(&mut before),
            p99_during: p99(&mut during),
            turns: turns.load(Ordering::Relaxed),
            connections: connections.load(Ordering::Relaxed),
            grown_bytes: resident_bytes().saturating_sub(held),
        }
    }

    fn is_well(&self) -> bool {
        let is_soon = self.p99_during <= SOON_ENOUGH.max(self.p99_before * 3 / 2);
        self.connections > 0 && is_soon && self.grown_bytes < HELD_BYTES_MAX
    }
}
