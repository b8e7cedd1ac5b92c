//! The HTTP server: one accept loop, with a bound on everything a peer could hold on to.
//!
//! `axum::serve` installs no timer and has no limits, so this is a loop over `hyper-util`'s connections, which speak
//! HTTP/1.1 and HTTP/2: by TLS, or without it (prior knowledge).

mod accept;
mod body;
mod connection;
mod cors;
mod encoded;
mod limits;
mod observe;
pub(crate) mod peer;
mod tls;
mod unparsed;

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;

use crate::shutdown::Shutdown;

pub use crate::request_name::{RequestName, carried};
pub use body::{RequestBodyError, body_problem, read_whole};
pub(crate) use cors::Cors;
pub use cors::Origins;
pub(crate) use encoded::Encode;
pub use limits::HttpLimits;
pub use observe::Observe;
pub use tls::{Tls, TlsSettings};

pub use crate::http::peer::{Peer, is_this_machine};

/// Listens on an address; the error is one clear sentence.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Serves `router`, by TLS where there is one, until `shutdown` starts and every request that was begun is answered, or until there is no more time.
///
/// Requests are counted and timed if the router has the layer [`Observe`]; [`crate::Service::serve`] adds it.
pub async fn serve(listener: TcpListener, router: Router, tls: Option<Tls>, limits: HttpLimits, shutdown: Shutdown) {
    accept::Acceptor::new(router, tls, limits, shutdown).run(listener).await;
}
