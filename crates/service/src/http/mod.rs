//! The HTTP server: one accept loop, with a bound on everything a peer could hold on to.
//!
//! `axum::serve` installs no timer and has no limits, so this is a loop over `hyper-util`'s connections, which speak
//! HTTP/1.1 and HTTP/2 without TLS (prior knowledge).

mod accept;
mod body;
mod connection;
mod observe;
mod write_stall;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;

use crate::auth::ClientName;
use crate::process;
use crate::shutdown::Shutdown;

pub use body::{RequestBodyError, body_problem, read_whole};
pub use observe::Observe;

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

/// The other end of a connection; handlers get it as `ConnectInfo<Peer>`.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Address and port of the peer.
    pub address: SocketAddr,
    /// The name that a client without a token is known by.
    pub name: ClientName,
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

impl Peer {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, name: ClientName::of_address(address.ip()) }
    }
}

/// Listens on an address; the error is one clear sentence.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Serves `router` until `shutdown` starts and every request that was begun is answered, or until there is no more time.
///
/// Requests are counted and timed if the router has the layer [`Observe`]; [`crate::Service::serve`] adds it.
pub async fn serve(listener: TcpListener, router: Router, limits: HttpLimits, shutdown: Shutdown) {
    accept::Acceptor::new(router, limits, shutdown).run(listener).await;
}
