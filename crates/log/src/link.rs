//! Whether the connection to NATS stands, and how often it was lost.

use std::time::Duration;

use async_nats::Event;
use tokio::sync::watch;

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
}

impl Link {
    /// A link that is not connected yet, and where its events go.
    pub(crate) fn new() -> (Self, LinkEvents) {
        let (connected_in, connected) = watch::channel(false);
        let (losses_in, losses) = watch::channel(0);
        (Self { connected, losses }, LinkEvents { connected: connected_in, losses: losses_in })
    }

    /// Follows whether the connection stands.
    pub(crate) fn connected(&self) -> watch::Receiver<bool> {
        self.connected.clone()
    }

    /// How often the connection was lost. Whoever waits for an answer and sees this grow will not get it any more:
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
            }
            Event::Disconnected | Event::Closed => {
                self.connected.send_replace(false);
                self.losses.send_modify(|losses| *losses += 1);
            }
            // One event for every message that was dropped. Readers and listeners see for themselves that one is missing.
            Event::SlowConsumer(subscription) => {
                tracing::debug!(subscription, "a message came too fast and was dropped");
            }
            Event::ServerError(error) => tracing::warn!(%error, "NATS reports an error"),
            _ => {}
        }
    }
}
