//! The three services as processes: what they are told, and how one sees that they are ready.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use forebay_api::Problem;
use forebay_api::health::Dependencies;
use forebay_log::FoundingArgs;
use forebay_stack::{Managed, PortInUse, Process, Program, Ready, ServiceName, Stack};

use super::args::UpArgs;
use super::secure;

/// Where a service listens.
pub(super) fn listen(service: ServiceName, args: &UpArgs) -> SocketAddr {
    match service {
        ServiceName::Writer => args.writer_listen,
        ServiceName::Ingest => args.ingest_listen,
        ServiceName::Query => args.query_listen,
    }
}

/// Where it can be reached from here.
pub(super) fn url(service: ServiceName, args: &UpArgs) -> String {
    let scheme = if args.secure { "https" } else { "http" };
    format!("{scheme}://{}", reachable(listen(service, args)))
}

/// Refuses to begin where a service could not listen in the end.
///
/// # Errors
/// [`PortInUse`].
pub(super) fn check_ports(args: &UpArgs) -> Result<()> {
    for service in ServiceName::STARTING {
        let address = listen(service, args);
        if address.port() != 0 {
            let name = service.to_string();
            TcpListener::bind(address).map_err(|_| PortInUse { name, port: address.port() })?;
        }
    }
    Ok(())
}

/// Starts the services on the servers, and waits until all are ready.
///
/// # Errors
/// One sentence for the first that does not become ready.
pub(super) async fn start(args: &UpArgs, stack: &Stack, home: &Path) -> Result<Vec<Process>> {
    let mut started = Vec::new();
    for service in ServiceName::STARTING {
        started.push(Process::start(managed(service, args, stack, home)?).await?);
    }
    Ok(started)
}

/// Stops the services: first those that take in requests.
pub(super) async fn stop(services: &[Process]) {
    for service in services.iter().rev() {
        service.stop().await;
    }
}

fn managed(service: ServiceName, args: &UpArgs, stack: &Stack, home: &Path) -> Result<Managed> {
    let secured = stack.secrets().map(|secrets| secure::of_service(secrets, home)).unwrap_or_default();
    let secured = secured.into_iter().map(|(name, file)| (name, file.into_os_string()));
    let prefix = ("FOREBAY_LOG_PREFIX", OsString::from(args.log_prefix.to_string()));
    let mut managed = stack.service(service, listen(service, args), [prefix].into_iter().chain(secured))?;
    managed.program = FoundingArgs::VARIABLES.into_iter().fold(managed.program, Program::env_remove);
    let url = format!("{}/readyz", url(service, args));
    let client = reqwest::Client::builder().no_proxy().build().context("cannot make an HTTP client")?;
    managed.ready = Ready::new(move |_| {
        let question = client.get(&url).send();
        async move {
            let answer = question.await?;
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            // A writer that only misses streams that are halted does what it can.
            let problem: Option<Problem<Dependencies>> = serde_json::from_str(&text).ok();
            let only_halted = problem.is_some_and(|problem| problem.members.are_only_halted());
            ensure!(status.is_success() || only_halted, "it answers {status}: {text}");
            Ok(())
        }
    });
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
