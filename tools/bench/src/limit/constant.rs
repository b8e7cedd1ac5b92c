//! A server that always answers the same: what HTTP costs, with nothing behind it.

use std::net::SocketAddr;
use std::process::ExitCode;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use forebay_service::{Client, Right, ServiceSettings};
use http::header;

/// How the server is started.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Where it listens
    #[arg(long)]
    pub listen: SocketAddr,
    /// How many bytes the answer has
    #[arg(long)]
    pub bytes: usize,
    /// What every service has.
    #[command(flatten)]
    pub service: ServiceSettings,
}

/// Serves until it is told to stop.
pub fn run(settings: &Settings) -> ExitCode {
    forebay_service::run_http("forebay-bench-constant", &settings.service, settings.listen, |service| {
        let body = Bytes::from(vec![b'x'; settings.bytes]);
        let answer = move |_client: Client| {
            let body = body.clone();
            async move { ([(header::CONTENT_TYPE, "application/json")], body) }
        };
        Ok(Router::new().route("/constant", get(answer)).route_layer(service.clients.guard(Right::OrdersRead)))
    })
}
