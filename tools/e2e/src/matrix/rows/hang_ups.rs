//! Clients that close their connections at any moment of a request, by the thousand. Nobody knows what became of their orders, and
//! whatever it is, readers by id and sellers see what is stored and nothing else.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use forebay_stack::ServiceName;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::load::ledger::Outcome;
use crate::load::maker::{Made, Maker};
use crate::matrix::span::Span;
use crate::matrix::trial::Trial;

const AT_ONCE: usize = 32;
/// Longer than most orders take.
const CLOSED_WITHIN_US: u64 = 12_000;
const STORED: &str = "select count(*) from orders where attributes ->> 'mark' like 'hang-%'";
const WITHIN: Duration = Duration::from_secs(30);

/// Where a request ends, and how.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// How much of it is sent.
    bytes: usize,
    /// So long after that the connection is closed.
    after: Duration,
    /// Whether it is reset: the server gets to know at once, and not when it answers.
    is_reset: bool,
}

/// Sends requests, of one order and of several, and does not wait for any answer.
pub(crate) async fn hang_up(trial: &mut Trial) -> Result<()> {
    let requests = if trial.span == Span::Brief { 2_000 } else { 10_000 };
    let mut maker = Maker::new("hang", StdRng::from_rng(&mut trial.rng));
    let ingest = SocketAddr::from(([127, 0, 0, 1], trial.system.port(ServiceName::Ingest)));
    let mut open = JoinSet::new();
    let mut orders_sent = 0;
    for _ in 0..requests {
        let count = if trial.rng.random_ratio(1, 5) { trial.rng.random_range(2..9) } else { 1 };
        let orders: Vec<Made> = (0..count).map(|_| maker.make(true)).collect();
        trial.ledger.sending(&orders)?;
        orders.iter().try_for_each(|made| trial.ledger.settle(&made.mark, Outcome::Unknown))?;
        orders_sent += orders.len() as i64;
        let request = request(&orders);
        let cut = Cut::any(&mut trial.rng, request.len());
        open.spawn(send(ingest, request, cut));
        if open.len() == AT_ONCE {
            open.join_next().await;
        }
    }
    open.join_all().await;
    trial.injected += requests;
    trial
        .must("some of the orders are stored, and not all", WITHIN, async |system| match system.sum(STORED).await {
            Ok(stored) if (1..orders_sent).contains(&stored) => Ok(()),
            stored => Err(format!("{stored:?} of {orders_sent}")),
        })
        .await;
    Ok(())
}

impl Cut {
    /// Half of the requests are sent as a whole.
    fn any(rng: &mut StdRng, bytes: usize) -> Self {
        let bytes = if rng.random() { bytes } else { rng.random_range(0..bytes) };
        let after = Duration::from_micros(rng.random_range(0..CLOSED_WITHIN_US));
        Self { bytes, after, is_reset: rng.random() }
    }
}

fn request(orders: &[Made]) -> Vec<u8> {
    let (path, kind) = if orders.len() == 1 { ("", "application/json") } else { ("/batch", "application/x-ndjson") };
    let lines: Vec<String> = orders.iter().map(|made| made.json.to_string()).collect();
    let body = lines.join("\n");
    let length = body.len();
    let head = format!(
        "POST /v1/orders{path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

/// What becomes of it is nobody's business here.
async fn send(ingest: SocketAddr, request: Vec<u8>, cut: Cut) {
    let Ok(mut connection) = TcpStream::connect(ingest).await else { return };
    if cut.is_reset {
        let _ = connection.set_zero_linger();
    }
    let _ = connection.write_all(&request[..cut.bytes]).await;
    tokio::time::sleep(cut.after).await;
}
