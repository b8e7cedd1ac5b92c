//! What a peer may hold on to.

use std::time::Duration;

use crate::telemetry::process;

/// What a peer may hold on to, and for how long.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// Connections served at the same time; further ones wait in the kernel's backlog.
    pub connections_max: usize,
    /// How long a connection may be without a request underway: while it is idle, and while it sends a request's head.
    pub idle_timeout: Duration,
    /// Bytes of a request's head.
    pub header_bytes_max: usize,
    /// Headers of a request.
    pub headers_max: usize,
    /// How long a request's body may send nothing.
    pub body_idle_timeout: Duration,
    /// How long a peer may take none of an answer.
    pub write_stall_timeout: Duration,
    /// How long a stopping server goes on taking requests on open connections, so that a request that is on its way meets
    /// an answer (with `Connection: close`) and not a reset.
    pub drain_linger: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            idle_timeout: Duration::from_secs(30),
            header_bytes_max: 64 * 1024,
            headers_max: 64,
            body_idle_timeout: Duration::from_secs(20),
            write_stall_timeout: Duration::from_mins(1),
            drain_linger: Duration::from_millis(300),
        }
    }
}

impl HttpLimits {
    /// File descriptors that are kept for everything but connections of clients.
    const FILES_RESERVED: usize = 256;

    /// The same limits, with no more connections than the limit of open files leaves room for.
    #[must_use]
    pub fn within_open_files(mut self) -> Self {
        let Some(files_max) = process::open_files_max().and_then(|max| usize::try_from(max).ok()) else { return self };
        let room = files_max.saturating_sub(Self::FILES_RESERVED).max(files_max / 4).max(1);
        if self.connections_max > room {
            tracing::info!(files_max, connections_max = room, "the limit of open files bounds the connections");
            self.connections_max = room;
        }
        self
    }
}
