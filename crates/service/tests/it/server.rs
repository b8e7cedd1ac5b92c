//! A service under test, on a free port.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use forebay_service::http::HttpLimits;
use forebay_service::{Routes, Service, ServiceSettings, http};
use forebay_testkit::eventually;
use tokio::net::TcpListener;

use crate::wire::Wire;

/// How long anything that must happen may take.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct TestService {
    pub(crate) service: Service,
    pub(crate) address: SocketAddr,
}

impl TestService {
    pub(crate) async fn start(api: Router) -> Self {
        Self::with_limits(api, HttpLimits::default()).await
    }

    pub(crate) async fn with_limits(api: Router, limits: HttpLimits) -> Self {
        let mut service = Service::new(&ServiceSettings::default()).expect("the defaults are good");
        service.http_limits = limits;
        Self::of(service, api).await
    }

    pub(crate) async fn of_routes(routes: Routes) -> Self {
        Self::of(Service::new(&ServiceSettings::default()).expect("the defaults are good"), routes).await
    }

    pub(crate) async fn of(service: Service, api: impl Into<Routes>) -> Self {
        let listener = http::bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
        let address = listener.local_addr().unwrap();
        service.serve(listener, api);
        Self { service, address }
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire::connect(self.address).await
    }

    /// The status of a GET on a connection of its own, and the answer.
    pub(crate) async fn get(&self, path: &str) -> crate::wire::Answer {
        self.connect().await.ask(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await
    }

    /// Waits until nobody listens there any more.
    pub(crate) async fn stops_listening(&self) {
        eventually("nobody listens", async || (TcpListener::bind(self.address).await.is_ok(), ())).await;
    }
}
