//! Loopback ports: who has one, and which are free.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

use anyhow::Result;

/// How often a start on free ports is tried.
const ATTEMPTS: usize = 10;

/// A server cannot listen, because something else has its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInUse {
    /// What wanted the port.
    pub name: String,
    /// The port, on 127.0.0.1.
    pub port: u16,
}

impl fmt::Display for PortInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot listen on 127.0.0.1:{}: the port is in use by another program", self.name, self.port)
    }
}

impl std::error::Error for PortInUse {}

/// Whether something listens on the port (a port that cannot be asked for counts as taken).
pub(crate) fn is_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err()
}

/// `count` different ports that are free now.
///
/// They lie below the range from which the kernel takes ports for outgoing connections, so that a server that is down
/// for a moment in a fault test finds its port again. Somebody else may still be faster: a start that meets
/// [`PortInUse`] is tried again with other ports.
///
/// # Panics
/// When not a single port can be bound, which means that there is no loopback network.
pub fn free_ports(count: usize) -> Vec<u16> {
    let mut ports = BTreeSet::new();
    for attempt in 0..100_000_u32 {
        if ports.len() == count {
            break;
        }
        let port = 20_000 + (random(attempt) % 12_000) as u16;
        if !is_taken(port) {
            ports.insert(port);
        }
    }
    assert_eq!(ports.len(), count, "no free ports on 127.0.0.1 between 20000 and 32000");
    ports.into_iter().collect()
}

/// Starts something on free ports: again on others, where somebody else was faster on one of them.
///
/// # Errors
/// Those of the start.
pub async fn on_free_ports<T, F>(count: usize, mut start: impl FnMut(Vec<u16>) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut attempt = 1;
    loop {
        match start(free_ports(count)).await {
            Err(error) if error.is::<PortInUse>() && attempt < ATTEMPTS => attempt += 1,
            outcome => return outcome,
        }
    }
}

/// A number that no other process draws as well, from the keys that the standard library draws for its hash maps.
pub(crate) fn random(salt: u32) -> u64 {
    RandomState::new().hash_one((salt, std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_can_be_bound() {
        let ports = free_ports(20);
        let listeners: Vec<_> = ports.iter().map(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))).collect();
        assert!(listeners.iter().all(Result::is_ok));
        assert!(is_taken(ports[0]));
    }
}
