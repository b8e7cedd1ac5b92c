//! Rows on their way to the client.

use bytes::Bytes;
use forebay_parquet::ParquetError;
use metrics::counter;
use tokio::sync::mpsc;

use super::encoder::{CHUNK_BYTES, Encoder};
use super::feeds::Feeds;
use crate::error::ReadError;
use crate::metrics::EXPORT_ROWS;

/// Takes rows from feeds and makes chunks of them.
pub(super) struct Pump {
    pub(super) feeds: Feeds,
    pub(super) encoder: Encoder,
}

/// What goes to the client.
pub(super) enum Sent {
    Chunk(Bytes),
    /// There is no more.
    End,
}

/// Why an export ends before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("the client has gone")]
    Gone,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the file cannot be written: {0}")]
    Encode(#[from] ParquetError),
}

impl Pump {
    /// Brings all rows to the client, and says at the end that these were all.
    pub(super) async fn run(self, sender: &mpsc::Sender<Sent>) -> Result<(), Cut> {
        let Self { mut feeds, mut encoder } = self;
        let rows = counter!(EXPORT_ROWS.name, "format" => encoder.format().name());
        let mut count = 0;
        while let Some(row) = feeds.next().await? {
            encoder.push(&row);
            count += 1;
            if encoder.has_work() {
                encoder = encoder.work().await?;
            }
            if let Some(bytes) = encoder.take() {
                send(sender, bytes).await?;
                rows.increment(std::mem::take(&mut count));
            }
        }
        send(sender, encoder.finish().await?).await?;
        rows.increment(count);
        sender.send(Sent::End).await.map_err(|_| Cut::Gone)
    }
}

async fn send(sender: &mpsc::Sender<Sent>, mut bytes: Bytes) -> Result<(), Cut> {
    while !bytes.is_empty() {
        let chunk = bytes.split_to(bytes.len().min(2 * CHUNK_BYTES));
        sender.send(Sent::Chunk(chunk)).await.map_err(|_| Cut::Gone)?;
    }
    Ok(())
}
