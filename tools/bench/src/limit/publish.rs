//! A synced publish by a bare NATS client: one message after the other, each acknowledged before the next.

use std::time::{Duration, Instant};

use anyhow::Result;
use async_nats::jetstream::{self, stream};
use bytes::Bytes;

use crate::load::histogram;
use crate::servers::Servers;

/// Publishes for some time to a stream of its own, and gives the median of the times until the acknowledgement, in
/// milliseconds.
///
/// # Errors
/// What the server says.
pub async fn median_ms(servers: &Servers, bytes: usize, warm_up: Duration, lasts: Duration) -> Result<f64> {
    let name = servers.new_name();
    let jetstream = jetstream::new(async_nats::connect(servers.stack.nats_url()).await?);
    let config = stream::Config { name: name.clone(), subjects: vec![format!("{name}.bare")], ..Default::default() };
    jetstream.create_stream(config).await?;
    let (subject, payload) = (format!("{name}.bare"), Bytes::from(vec![b'x'; bytes]));
    let mut latency_us = histogram()?;
    let begin = Instant::now();
    while begin.elapsed() < warm_up + lasts {
        let begun = Instant::now();
        jetstream.publish(subject.clone(), payload.clone()).await?.await?;
        if begun - begin >= warm_up {
            latency_us.saturating_record(u64::try_from(begun.elapsed().as_micros())?);
        }
    }
    jetstream.delete_stream(&name).await?;
    Ok(latency_us.value_at_quantile(0.5) as f64 / 1000.0)
}
