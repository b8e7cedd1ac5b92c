//! The three services as processes: what they are told, and how one sees that they are ready.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forebay_stack::{Managed, PortInUse, Process, Program, Ready, Stack};

use super::halted::are_only_halted;
use super::settings::UpSettings;

/// A service may be draining for 20 seconds when it is asked to stop.
const STOP_WITHIN: Duration = Duration::from_secs(25);

/// One of the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Writer,
    Ingest,
    Query,
}

impl Service {
    /// In the order in which they start: the writer makes what the others look for.
    pub(super) const ALL: [Self; 3] = [Self::Writer, Self::Ingest, Self::Query];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Writer => "writer",
            Self::Ingest => "ingest",
            Self::Query => "query",
        }
    }

    pub(super) fn listen(self, settings: &UpSettings) -> SocketAddr {
        match self {
            Self::Writer => settings.writer_listen,
            Self::Ingest => settings.ingest_listen,
            Self::Query => settings.query_listen,
        }
    }

    /// Where it can be reached from here.
    pub(super) fn url(self, settings: &UpSettings) -> String {
        format!("http://{}", reachable(self.listen(settings)))
    }

    fn listen_variable(self) -> &'static str {
        match self {
            Self::Writer => "FOREBAY_WRITER_LISTEN",
            Self::Ingest => "FOREBAY_INGEST_LISTEN",
            Self::Query => "FOREBAY_QUERY_LISTEN",
        }
    }

    /// The program, which lies beside this one.
    pub(super) fn program(self) -> Result<PathBuf> {
        let this = std::env::current_exe().context("cannot find out where this program is")?;
        let path = this.with_file_name(format!("forebay-{}", self.name()));
        ensure!(path.is_file(), "the program {} is missing: build it with `cargo build`", path.display());
        Ok(path)
    }
}

/// Refuses to begin where a service could not listen in the end.
///
/// # Errors
/// [`PortInUse`].
pub(super) fn check_ports(settings: &UpSettings) -> Result<()> {
    for service in Service::ALL {
        let listen = service.listen(settings);
        if listen.port() != 0 {
            let name = service.name().to_owned();
            TcpListener::bind(listen).map_err(|_| PortInUse { name, port: listen.port() })?;
        }
    }
    Ok(())
}

/// Starts the services on the servers, and waits until all are ready.
///
/// # Errors
/// One sentence for the first that does not become ready.
pub(super) async fn start(settings: &UpSettings, stack: &Stack) -> Result<Vec<Process>> {
    let mut started = Vec::new();
    for service in Service::ALL {
        started.push(Process::start(managed(service, settings, stack)?).await?);
    }
    Ok(started)
}

/// Stops the services: first those that take in requests.
pub(super) async fn stop(services: &[Process]) {
    for service in services.iter().rev() {
        service.stop().await;
    }
}

fn managed(service: Service, settings: &UpSettings, stack: &Stack) -> Result<Managed> {
    let listen = service.listen(settings);
    let mut program = Program::new(service.program()?)
        .env(service.listen_variable(), listen.to_string())
        .env("FOREBAY_LOG_PREFIX", settings.log_prefix.to_string())
        .env("FOREBAY_ROUTING", settings.routing.name());
    for (name, value) in stack.env() {
        program = program.env(name, value);
    }
    let url = format!("{}/readyz", service.url(settings));
    let client = reqwest::Client::builder().no_proxy().build().context("cannot make an HTTP client")?;
    let ready = Ready::new(move |_| {
        let question = client.get(&url).send();
        async move {
            let answer = question.await?;
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            ensure!(status.is_success() || are_only_halted(&text), "it answers {status}: {text}");
            Ok(())
        }
    });
    let mut managed = Managed::new(service.name(), program, stack.log(service.name()), ready);
    managed.stop_within = STOP_WITHIN;
    if listen.ip().is_loopback() && listen.is_ipv4() {
        managed = managed.on_port(listen.port());
    }
    Ok(managed)
}

/// An address to connect to for one that listens everywhere.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_listens_everywhere_is_reached_at_home() {
        let reach = |listen: &str| reachable(listen.parse().unwrap()).to_string();
        assert_eq!(reach("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(reach("[::]:80"), "[::1]:80");
        assert_eq!(reach("10.1.2.3:80"), "10.1.2.3:80");
    }
}
