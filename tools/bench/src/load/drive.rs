//! Several clients for some time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::arrivals::Arrivals;

/// Does one thing after the other.
pub trait Client: Send + 'static {
    /// Does the thing of that number, which was to begin at that instant. An error ends the whole measurement.
    fn once(&mut self, number: u64, begun: Instant) -> impl Future<Output = Result<()>> + Send;
}

/// How long clients go on.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// What begins within this time is not counted.
    pub warm_up: Duration,
    /// For how long it goes on behind that.
    pub lasts: Duration,
}

/// What was counted.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How many a second.
    pub per_second: f64,
    /// How long they took, in microseconds.
    pub latency_us: Histogram<u64>,
}

impl Outcome {
    /// The latency, in milliseconds, that this part (0 to 1) has at most.
    pub fn quantile_ms(&self, part: f64) -> f64 {
        self.latency_us.value_at_quantile(part) as f64 / 1000.0
    }

    /// The mean latency in milliseconds.
    pub fn mean_ms(&self) -> f64 {
        self.latency_us.mean() / 1000.0
    }
}

/// Lets clients go on side by side, and counts.
///
/// # Errors
/// The first that a client has.
pub async fn drive<C: Client>(clients: Vec<C>, arrivals: Arrivals, span: Span) -> Result<Outcome> {
    let (begin, next) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let mut running = JoinSet::new();
    for client in clients {
        running.spawn(one(client, arrivals, span, begin, Arc::clone(&next)));
    }
    let mut latency_us = histogram()?;
    while let Some(ended) = running.join_next().await {
        latency_us.add(&ended??).map_err(|error| anyhow!("{error}"))?;
    }
    ensure!(!latency_us.is_empty(), "nothing was done in {:?}", span.lasts);
    Ok(Outcome { per_second: latency_us.len() as f64 / span.lasts.as_secs_f64(), latency_us })
}

async fn one<C: Client>(
    mut client: C,
    arrivals: Arrivals,
    span: Span,
    begin: Instant,
    next: Arc<AtomicU64>,
) -> Result<Histogram<u64>> {
    let mut latency_us = histogram()?;
    let (counted_from, end) = (begin + span.warm_up, begin + span.warm_up + span.lasts);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let due = arrivals.due(begin, number);
        if let Some(due) = due {
            sleep_until(due).await;
        }
        let begun = Instant::now();
        let should_have_begun = due.unwrap_or(begun);
        if should_have_begun >= end {
            return Ok(latency_us);
        }
        client.once(number, should_have_begun).await?;
        let done = Instant::now();
        // In a closed loop what ends behind the end belongs to another time; in an open one it is what was late.
        if should_have_begun >= counted_from && (due.is_some() || done <= end) {
            let took = Arrivals::latency(due, begun, done);
            latency_us.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }
}

/// Of microseconds up to ten minutes, to three digits.
///
/// # Errors
/// Never: the bounds are good ones.
pub fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 600_000_000, 3).map_err(|error| anyhow!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stalls;

    impl Client for Stalls {
        async fn once(&mut self, number: u64, _begun: Instant) -> Result<()> {
            if number == 20 {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Ok(())
        }
    }

    const SPAN: Span = Span { warm_up: Duration::ZERO, lasts: Duration::from_secs(1) };

    #[tokio::test(start_paused = true)]
    async fn an_open_loop_counts_everything_and_sees_a_stall() {
        let outcome = drive(vec![Stalls], Arrivals::Open(100.0), SPAN).await.unwrap();
        assert_eq!(outcome.latency_us.len(), 100);
        assert!((outcome.per_second - 100.0).abs() < 1e-9);
        // Half of the second was stalled: with latency from the actual beginning, only one request would have seen it.
        assert!(outcome.quantile_ms(0.75) > 200.0, "{}", outcome.quantile_ms(0.75));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_warm_up_meets_is_not_counted() {
        let span = Span { warm_up: Duration::from_millis(800), ..SPAN };
        let outcome = drive(vec![Stalls], Arrivals::Open(100.0), span).await.unwrap();
        assert!(outcome.quantile_ms(0.99) < 50.0, "{}", outcome.quantile_ms(0.99));
    }
}
