//! Everything that can come twice: requests, files, frames.

use anyhow::{Context, Result};
use async_nats::HeaderMap;
use forebay_model::{ShardId, StreamKind};
use forebay_stack::Server;
use forebay_testkit::{FRAME_SUM, frame_sum};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::load::ledger::Outcome;
use crate::load::maker::{Made, Maker};
use crate::matrix::trial::Trial;
use crate::system::settled::stream_name;

const FILE_ORDERS: usize = 2000;
/// The header by which JetStream itself drops what comes twice.
const MESSAGE_ID: &str = "Nats-Msg-Id";
const ROWS: &str = "Forebay-Rows";

/// The load sends every request twice.
pub(crate) async fn requests(trial: &mut Trial) -> Result<()> {
    tokio::time::sleep(trial.span.of(4, 15)).await;
    trial.injected += 1;
    Ok(())
}

/// A file of orders is replayed, and replayed again.
pub(crate) async fn file(trial: &mut Trial) -> Result<()> {
    let mut maker = Maker::new("file", StdRng::from_rng(&mut trial.rng));
    let orders: Vec<Made> = (0..FILE_ORDERS).map(|_| maker.make(true)).collect();
    trial.ledger.sending(&orders)?;
    let lines: Vec<String> = orders.iter().map(|made| made.json.to_string()).collect();
    for _ in 0..2 {
        let summary = trial.system.replay(&["-"], lines.join("\n").as_bytes()).await?;
        if summary["accepted"] != FILE_ORDERS || summary["retries"] != 0 {
            trial.add_finding(format!("nothing was in the way of the file: {summary}"));
        }
        trial.injected += 1;
        for made in &orders {
            trial.ledger.settle(&made.mark, Outcome::Accepted)?;
        }
    }
    Ok(())
}

/// Frames of the log are published again under other ids, as a client would whose acknowledgement was lost for long.
pub(crate) async fn frames(trial: &mut Trial) -> Result<()> {
    let client = async_nats::connect(trial.system.stack.nats_url()).await.context("cannot reach NATS")?;
    let jetstream = async_nats::jetstream::new(client);
    let shards = trial.system.stack.postgres_count();
    debug_assert!(trial.system.stack.is_alive(Server::Nats));
    for _ in 0..trial.span.rounds() * 40 {
        let shard = ShardId(trial.rng.random_range(0..shards) as u16);
        let kind = StreamKind::ALL[trial.rng.random_range(0..StreamKind::ALL.len())];
        let stream = jetstream.get_stream(stream_name(kind.on(shard))).await?;
        let last = stream.cached_info().state.last_sequence;
        if last == 0 {
            continue;
        }
        let message = stream.get_raw_message(trial.rng.random_range(1..=last)).await?;
        let mut headers: HeaderMap = message.headers;
        headers.insert(MESSAGE_ID, format!("again-{}", trial.rng.random::<u64>()));
        let all = headers.iter().map(|(name, values)| (AsRef::<str>::as_ref(name), values[0].as_str()));
        let sum = frame_sum(all.filter(|&(name, _)| name != FRAME_SUM), &message.payload);
        headers.insert(FRAME_SUM, sum);
        let rows = headers.get(ROWS).context("a frame says how many rows it has")?;
        let lane = message.subject.split('.').nth(1).context("a subject names its lane")?;
        trial.known.logged_again(lane.parse()?, rows.as_str().parse()?);
        jetstream.publish_with_headers(message.subject, headers, message.payload).await?.await?;
        trial.injected += 1;
    }
    Ok(())
}
