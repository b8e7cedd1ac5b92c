//! What a service's `main` holds: lifecycle, health, clients and metrics, and how they are put together.

mod settings;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use axum::Router;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use forebay_api::Role;
use metrics::gauge;
use tokio::net::TcpListener;
use tower::util::option_layer;
use tracing::{error, info};

use crate::auth::Clients;
use crate::health::{Health, Need};
use crate::http::{self, Cors, Encode, HttpLimits, Observe, Tls};
use crate::interface::{self, Routes};
use crate::lifecycle::{Lifecycle, signals};
use crate::problem::Problem;
use crate::settings::command_line::{BadSetting, EXIT_BAD_SETTING};
use crate::shutdown::Shutdown;
use crate::telemetry::metrics::BUILD_INFO;
use crate::telemetry::{self, Metrics};

pub use settings::ServiceSettings;

/// The shared parts of a running service. Cloning it is cheap; all clones are the same service.
#[derive(Debug, Clone)]
pub struct Service {
    /// Where tasks are spawned, and how they end.
    pub lifecycle: Lifecycle,
    /// What the service depends on, and how that is.
    pub health: Health,
    /// Who may do what.
    pub clients: Clients,
    /// What peers may hold on to.
    pub http_limits: HttpLimits,
    tls: Option<Tls>,
    cors: Option<Cors>,
    metrics: Metrics,
}

impl Service {
    /// The shared parts, from the settings. Touches nothing outside the process but the files of clients and certificates.
    pub fn new(settings: &ServiceSettings) -> Result<Self, BadSetting> {
        settings.failpoints.install();
        let lifecycle = Lifecycle::with_failpoints(settings.shutdown_grace, settings.failpoints.clone());
        let connections_max = usize::try_from(settings.connections_max).unwrap_or(usize::MAX);
        Ok(Self {
            health: Health::new(lifecycle.shutdown().clone()),
            clients: Clients::load(settings.clients_file.as_deref(), &settings.jwt)?,
            http_limits: HttpLimits { connections_max, ..HttpLimits::default() },
            tls: Tls::load(&settings.tls)?,
            cors: settings.cors_origins.as_ref().map(Cors::new),
            metrics: Metrics::install(),
            lifecycle,
        })
    }

    /// The stages of stopping, for tasks to watch.
    pub fn shutdown(&self) -> &Shutdown {
        self.lifecycle.shutdown()
    }

    /// A part of a process that stops on its own: with a lifecycle of its own, and all else in common. Its maker sees to it that it
    /// is stopped. It is not ready any more as soon as the whole is told to stop.
    #[must_use]
    pub fn part(&self) -> Self {
        Self { lifecycle: self.lifecycle.another(), ..self.clone() }
    }

    /// A part that is one of several services in one process.
    #[must_use]
    pub fn part_of(&self, role: Role) -> Self {
        Self { health: self.health.of(role.as_str()), ..self.part() }
    }

    /// Serves these routes and those that every service has, as a task of the lifecycle.
    pub fn serve(&self, listener: TcpListener, routes: impl Into<Routes>) {
        match listener.local_addr() {
            Ok(address) => info!(%address, "listening"),
            Err(error) => error!(%error, "listening on an unknown address"),
        }
        let server = http::serve(
            listener,
            self.router(routes),
            self.tls.clone(),
            self.http_limits.clone().within_open_files(),
            self.shutdown().clone(),
        );
        self.lifecycle.spawn_serving("http server", async move {
            server.await;
            Ok(())
        });
        self.lifecycle.spawn("metrics upkeep", self.metrics.upkeep(self.shutdown().answered().clone()));
    }

    /// Reads clients, keys of tokens and certificates again whenever they change, as tasks of the lifecycle.
    pub fn follow_files(&self, settings: &ServiceSettings) {
        let stop = self.shutdown().answered();
        if let Some(tls) = self.tls.clone() {
            let stop = stop.clone();
            self.lifecycle.spawn("certificate", quietly(async move { tls.follow(&stop).await }));
        }
        if let Some(file) = settings.clients_file.clone() {
            let (clients, stop) = (self.clients.clone(), stop.clone());
            self.lifecycle.spawn("clients file", quietly(async move { clients.follow_file(&file, &stop).await }));
        }
        if let Some(keys) = self.clients.keys() {
            // Without a clients file nobody can come in before the keys are there.
            let need = if settings.clients_file.is_none() { Need::Required } else { Need::Optional };
            let (health, stop) = (self.health.clone(), stop.clone());
            self.lifecycle.spawn("key set", quietly(async move { keys.follow(&health, need, &stop).await }));
        }
    }

    /// These routes with those that every service has, with problems for unknown paths and methods, named, counted and timed.
    pub fn router(&self, routes: impl Into<Routes>) -> Router {
        interface::complete(routes.into(), self.health.clone(), self.metrics)
            .into_router()
            .fallback(async || Problem::no_such_path())
            .method_not_allowed_fallback(other_method)
            .layer((Observe, option_layer(self.cors.clone()), Encode))
    }
}

/// Work that cannot fail, as a task.
async fn quietly(work: impl Future<Output = ()>) -> anyhow::Result<()> {
    work.await;
    Ok(())
}

/// What is allowed stands in `Allow`, which the router writes.
async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::method_not_allowed("the path is right, the method is not").into_response()
}

/// Runs a service: logs, runtime, signals; then `start`, which builds the service's own parts and spawns them; then waits
/// until it is told to stop, drains, and says how the process is to exit.
///
/// `start` returns as soon as the service runs. If it fails with a [`BadSetting`], that is one line and exit code 64;
/// with anything else, an ERROR in the log and exit code 1. So it is where a task fails later. A signal while it runs abandons it.
pub fn run<F>(name: &'static str, settings: &ServiceSettings, start: F) -> ExitCode
where
    F: AsyncFnOnce(Service) -> anyhow::Result<()>,
{
    telemetry::install(&settings.logging);
    let service = match Service::new(settings) {
        Ok(service) => service,
        Err(bad) => return bad_setting(name, &bad),
    };
    let version = env!("CARGO_PKG_VERSION");
    gauge!(BUILD_INFO.name, "service" => name, "version" => version).set(1.0);
    info!(service = name, version, "starting");
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "cannot start the runtime");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        service.follow_files(settings);
        start_and_drain(name, service, start).await
    });
    // Nothing that still runs may hold up the exit.
    runtime.shutdown_background();
    code
}

/// Runs a service that answers requests: listens, then starts the service's own parts and serves the routes that `start`
/// returns. Otherwise as [`run`].
pub fn run_http<R: Into<Routes>>(
    name: &'static str,
    settings: &ServiceSettings,
    listen: SocketAddr,
    start: impl FnOnce(&Service) -> anyhow::Result<R>,
) -> ExitCode {
    run(name, settings, async move |service| {
        let listener = http::bind(listen).await?;
        let routes = start(&service)?;
        service.serve(listener, routes);
        Ok(())
    })
}

async fn start_and_drain<F>(name: &str, service: Service, start: F) -> ExitCode
where
    F: AsyncFnOnce(Service) -> anyhow::Result<()>,
{
    let lifecycle = service.lifecycle.clone();
    let signals = match signals::obey(lifecycle.shutdown().clone()) {
        Ok(signals) => signals,
        Err(error) => {
            error!(%error, "cannot listen for signals");
            return ExitCode::FAILURE;
        }
    };
    let work = async {
        let started = tokio::select! {
            started = start(service) => started,
            () = lifecycle.shutdown().soft().cancelled() => Ok(()),
        };
        let Err(error) = started else {
            let outcome = lifecycle.clone().run().await;
            return lifecycle.bad_setting().map_or_else(|| outcome.exit_code(), |bad| bad_setting(name, &bad));
        };
        if let Some(bad) = error.downcast_ref::<BadSetting>() {
            return bad_setting(name, bad);
        }
        error!("cannot start: {error:#}");
        ExitCode::FAILURE
    };
    tokio::select! {
        code = work => code,
        never = signals => match never {},
    }
}

fn bad_setting(name: &str, bad: &BadSetting) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{name}: {bad}");
    ExitCode::from(EXIT_BAD_SETTING)
}
