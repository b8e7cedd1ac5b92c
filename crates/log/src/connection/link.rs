//! Whether the connection to NATS stands, and how often it was lost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::Event;
use tokio::sync::watch;
use tracing::{debug, info, warn};

/// How often it is said that the connection is still away.
const SAY_EVERY: Duration = Duration::from_mins(1);

/// The state of the connection, told by the client's events. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    connected: watch::Receiver<bool>,
    losses: watch::Receiver<u64>,
}

/// Where events are put in.
#[derive(Clone, Debug)]
pub(crate) struct LinkEvents {
    connected: watch::Sender<bool>,
    losses: watch::Sender<u64>,
    away: Arc<Mutex<Option<Away>>>,
}

/// Since when the connection is away, and what was tried since.
#[derive(Debug)]
struct Away {
    since: Instant,
    attempts: u64,
    said: Instant,
}

impl Link {
    /// A link that is not connected yet, and where its events go.
    pub(crate) fn new() -> (Self, LinkEvents) {
        let (connected_in, connected) = watch::channel(false);
        let (losses_in, losses) = watch::channel(0);
        (Self { connected, losses }, LinkEvents { connected: connected_in, losses: losses_in, away: Arc::default() })
    }

    /// Follows whether the connection stands.
    pub(crate) fn connected(&self) -> watch::Receiver<bool> {
        self.connected.clone()
    }

    /// How often the connection was lost. Where this grows while an answer is awaited, that answer will not come any more:
    /// the server does not send answers again.
    pub(crate) fn losses(&self) -> u64 {
        *self.losses.borrow()
    }

    /// Waits until the connection has been lost more often than `known` times.
    pub(crate) async fn lost_since(&self, known: u64) {
        let mut losses = self.losses.clone();
        if losses.wait_for(|&now| now != known).await.is_err() {
            // The client is gone and tells nothing any more; the caller's own deadline ends the wait.
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the connection stands, at most that long.
    pub(crate) async fn wait_connected(&self, at_most: Duration) {
        let mut connected = self.connected.clone();
        let _ = tokio::time::timeout(at_most, connected.wait_for(|&now| now)).await;
    }
}

impl LinkEvents {
    /// Takes note of what the client tells.
    pub(crate) fn note(&self, event: &Event) {
        match event {
            Event::Connected => {
                self.connected.send_replace(true);
                if let Some(Away { since, attempts, .. }) = self.lock().take() {
                    info!(away_s = since.elapsed().as_secs(), attempts, "connected to the log again");
                }
            }
            Event::Disconnected | Event::Closed => {
                self.connected.send_replace(false);
                self.losses.send_modify(|losses| *losses += 1);
                self.lost(Instant::now());
            }
            // One for every attempt to connect again that failed.
            Event::ClientError(error) => {
                debug!(%error, "the log cannot be connected to");
                if let Some(attempts) = self.failed(Instant::now()) {
                    warn!(%error, attempts, "the connection to the log is still away");
                }
            }
            // One event for every message that was dropped. Readers and listeners see for themselves that one is missing.
            Event::SlowConsumer(subscription) => {
                debug!(subscription, "a message came too fast and was dropped");
            }
            Event::ServerError(error) => warn!(%error, "NATS reports an error"),
            _ => {}
        }
    }

    fn lost(&self, now: Instant) {
        let mut away = self.lock();
        if away.is_none() {
            warn!("the connection to the log is lost");
            *away = Some(Away { since: now, attempts: 0, said: now });
        }
    }

    /// Counts an attempt in vain, and gives their number where it is to be said.
    fn failed(&self, now: Instant) -> Option<u64> {
        let mut away = self.lock();
        let away = away.as_mut()?;
        away.attempts += 1;
        if now.duration_since(away.said) < SAY_EVERY {
            return None;
        }
        away.said = now;
        Some(away.attempts)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Away>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_the_connection_is_away_is_said_once_a_minute_with_a_count() {
        let (_link, events) = Link::new();
        let start = Instant::now();
        assert_eq!(events.failed(start), None, "it was never there");
        events.lost(start);
        let mut said = Vec::new();
        for second in 1..=180 {
            said.extend(events.failed(start + Duration::from_secs(second)));
        }
        assert_eq!(said, [60, 120, 180]);
        events.note(&Event::Connected);
        assert_eq!(events.failed(start + Duration::from_mins(10)), None);
    }
}
