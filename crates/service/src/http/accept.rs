//! The accept loop: takes connections up to the limit, and winds them up when the service stops.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use metrics::{Gauge, counter, gauge};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::connection::HttpServer;
use super::limits::HttpLimits;
use super::tls::Tls;
use crate::http::peer::Peer;
use crate::shutdown::Shutdown;
use crate::telemetry::metrics::{ACCEPT_ERRORS, CONNECTIONS, CONNECTIONS_ACCEPTED};

/// How long to wait when the system has no descriptor or memory for another connection.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

pub(super) struct Acceptor {
    server: HttpServer,
    tls: Option<Tls>,
    connections_max: usize,
    drain_linger: Duration,
    shutdown: Shutdown,
    /// Cancelled when the time for further requests on open connections is over.
    closing: CancellationToken,
    connections: JoinSet<()>,
    open: Gauge,
}

impl Acceptor {
    pub(super) fn new(router: Router, tls: Option<Tls>, limits: HttpLimits, shutdown: Shutdown) -> Self {
        // Otherwise the first increase could not be seen.
        counter!(CONNECTIONS_ACCEPTED.name).increment(0);
        counter!(ACCEPT_ERRORS.name).increment(0);
        Self {
            connections_max: limits.connections_max,
            drain_linger: limits.drain_linger,
            server: HttpServer::new(router, limits),
            tls,
            shutdown,
            closing: CancellationToken::new(),
            connections: JoinSet::new(),
            open: gauge!(CONNECTIONS.name),
        }
    }

    pub(super) async fn run(mut self, listener: TcpListener) {
        let hard = self.shutdown.hard().clone();
        if hard.run_until_cancelled(self.serve_and_drain(listener)).await.is_none() {
            self.connections.shutdown().await;
        }
        self.open.set(0.0);
    }

    async fn serve_and_drain(&mut self, listener: TcpListener) {
        let soft = self.shutdown.soft().clone();
        while !soft.is_cancelled() {
            tokio::select! {
                () = soft.cancelled() => {}
                () = self.step(&listener) => {}
            }
        }
        self.linger(&listener).await;
        // From here on a client that connects is told at once that nobody is here, and goes elsewhere.
        drop(listener);
        self.closing.cancel();
        while self.connections.join_next().await.is_some() {
            self.count();
        }
    }

    /// Goes on for a moment, so that what is on its way is answered; ends early when nothing is.
    async fn linger(&mut self, listener: &TcpListener) {
        let end = Instant::now() + self.drain_linger;
        loop {
            tokio::select! {
                // In this order: a connection that waits to be accepted is never passed over.
                biased;
                () = sleep_until(end) => return,
                () = self.step(listener) => {}
                () = std::future::ready(()), if self.connections.is_empty() => return,
            }
        }
    }

    /// Takes a connection or says goodbye to one. Nothing is lost when it is dropped half-way.
    async fn step(&mut self, listener: &TcpListener) {
        tokio::select! {
            Some(_) = self.connections.join_next() => {}
            (stream, address) = accept(listener), if self.connections.len() < self.connections_max => {
                self.take(stream, address);
            }
        }
        self.count();
    }

    fn take(&mut self, stream: TcpStream, address: SocketAddr) {
        // Answers are written in one piece; waiting for more would only add latency.
        let _ = stream.set_nodelay(true);
        counter!(CONNECTIONS_ACCEPTED.name).increment(1);
        // Child tokens, because a token shared by all connections would be a lock shared by all of them.
        let stopping = self.shutdown.soft().child_token();
        let closing = self.closing.child_token();
        let (server, peer) = (self.server.clone(), Peer::new(address));
        match self.tls.clone() {
            None => self.connections.spawn(server.run(stream, peer, stopping, closing)),
            Some(tls) => self.connections.spawn(async move {
                let accepted = closing.run_until_cancelled(tls.accept(stream)).await;
                if let Some(Some((stream, certificate))) = accepted {
                    server.run(stream, peer.with_certificate(certificate), stopping, closing).await;
                }
            }),
        };
    }

    fn count(&self) {
        self.open.set(self.connections.len() as f64);
    }
}

/// Accepts a connection, however long it takes.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                counter!(ACCEPT_ERRORS.name).increment(1);
                warn!(%error, "cannot accept connections");
                sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

/// Whether only the connection that was to be accepted is gone (accept(2)); everything else, such as having no file
/// descriptor left, would come back at once.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_descriptors_is_waited_out() {
        const EMFILE: i32 = 24;
        const ECONNABORTED: i32 = 103;
        assert!(!is_about_one_connection(&io::Error::from_raw_os_error(EMFILE)));
        assert!(is_about_one_connection(&io::Error::from_raw_os_error(ECONNABORTED)));
    }
}
