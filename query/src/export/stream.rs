//! What the client sees of an export: chunks, and behind them either the end or a torn transfer.

use axum::body::Body;
use bytes::Bytes;
use forebay_service::http::carried;
use futures::StreamExt;
use metrics::{counter, gauge};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tracing::warn;

use super::format::Format;
use super::pump::{Cut, Pump, Sent};
use crate::metrics::{EXPORT_ROWS, EXPORTS, EXPORTS_RUNNING};

/// How many chunks wait for the client.
const CHUNKS: usize = 4;

/// The transfer has to be torn: the list is not complete.
#[derive(Debug, thiserror::Error)]
#[error("the export could not be completed")]
struct Torn;

/// How an export ended.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Complete,
    /// Something failed here.
    Cut,
    /// The client has gone, or the service had no more time.
    Abandoned,
}

/// An export that is running. Dropping it ends all of its work.
struct Running {
    chunks: mpsc::Receiver<Sent>,
    format: Format,
    outcome: Outcome,
    _tasks: JoinSet<()>,
    _admitted: OwnedSemaphorePermit,
}

/// Starts the pump; it ends with the body, and with it the tasks that feed it.
pub(super) fn start(pump: Pump, admitted: OwnedSemaphorePermit) -> Body {
    let mut tasks = JoinSet::new();
    let (sender, chunks) = mpsc::channel(CHUNKS);
    let format = pump.encoder.format();
    tasks.spawn(carried(async move {
        match pump.run(&sender).await {
            Ok(()) | Err(Cut::Gone) => {}
            Err(cut) => warn!(format = format.name(), "an export was cut off: {cut}"),
        }
    }));
    let running = Running { chunks, format, outcome: Outcome::Abandoned, _tasks: tasks, _admitted: admitted };
    gauge!(EXPORTS_RUNNING.name).increment(1);
    // What encodes it asks once more behind the end.
    Body::from_stream(futures::stream::unfold(Some(running), next).fuse())
}

/// The next chunk. Only an end that was sent is an end.
async fn next(running: Option<Running>) -> Option<(Result<Bytes, Torn>, Option<Running>)> {
    let mut running = running?;
    match running.chunks.recv().await {
        Some(Sent::Chunk(chunk)) => Some((Ok(chunk), Some(running))),
        Some(Sent::End) => {
            running.outcome = Outcome::Complete;
            None
        }
        None => {
            running.outcome = Outcome::Cut;
            Some((Err(Torn), None))
        }
    }
}

/// Counts what has not happened yet.
pub(crate) fn begin_counting() {
    for format in Format::ALL {
        counter!(EXPORT_ROWS.name, "format" => format.name()).increment(0);
        for outcome in [Outcome::Complete, Outcome::Cut, Outcome::Abandoned] {
            count(format, outcome, 0);
        }
    }
}

fn count(format: Format, outcome: Outcome, exports: u64) {
    let outcome = match outcome {
        Outcome::Complete => "complete",
        Outcome::Cut => "cut",
        Outcome::Abandoned => "abandoned",
    };
    counter!(EXPORTS.name, "format" => format.name(), "outcome" => outcome).increment(exports);
}

impl Drop for Running {
    fn drop(&mut self) {
        count(self.format, self.outcome, 1);
        gauge!(EXPORTS_RUNNING.name).decrement(1);
    }
}
