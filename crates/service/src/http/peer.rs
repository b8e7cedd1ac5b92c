//! The other end of a connection, and the name that a client is known by.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use webpki::EndEntityCert;

/// The other end of a connection; handlers get it as `ConnectInfo<Peer>`.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Address and port of the peer.
    pub address: SocketAddr,
    /// The name that a client without a token is known by.
    pub name: ClientName,
    /// The certificate that it has shown, and that an authority of ours has signed.
    pub(crate) certificate: Option<Arc<Certificate>>,
}

/// A client's certificate.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// The SHA-256 sum of all of it (DER).
    pub(crate) sha256: [u8; 32],
    /// Its other names (SAN): hosts and URIs.
    pub(crate) names: Vec<String>,
}

/// The name that a client is known by, in rate limits and logs: its name in the clients file, or its address.
///
/// An IPv6 client owns a /64, so that is its name. Cloning it is cheap.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientName(Arc<str>);

/// Whether a host, a name or an address without brackets, is this machine.
pub fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Peer {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, name: ClientName::of_address(address.ip()), certificate: None }
    }

    /// The same, with the certificate that it has shown.
    pub(crate) fn with_certificate(self, certificate: Option<Certificate>) -> Self {
        Self { certificate: certificate.map(Arc::new), ..self }
    }
}

impl Certificate {
    /// Of one that was verified.
    pub(crate) fn of(der: &CertificateDer<'_>) -> Self {
        let parsed = EndEntityCert::try_from(der);
        let names = parsed.iter().flat_map(|parsed| parsed.valid_dns_names().chain(parsed.valid_uri_names()));
        Self { sha256: Sha256::digest(der).into(), names: names.map(str::to_owned).collect() }
    }
}

impl ClientName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_string().into()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                let network = std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0);
                Self(format!("{network}/64").into())
            }
        }
    }
}

impl From<&str> for ClientName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_the_client_and_ipv6_its_network() {
        for (address, name) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::1", "::/64"),
        ] {
            assert_eq!(ClientName::of_address(address.parse().unwrap()).as_str(), name);
        }
    }
}
