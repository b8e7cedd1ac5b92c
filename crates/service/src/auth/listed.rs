//! A client of the clients file.

use std::fmt;

use super::client::Client;

/// What a client is known by, and which it is.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) credential: Credential,
    pub(super) client: Client,
}

/// What a client of the clients file is known by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Credential {
    /// The SHA-256 sum of an API key.
    Key([u8; 32]),
    /// The SHA-256 sum of a certificate (DER).
    Certificate([u8; 32]),
    /// One of a certificate's other names (SAN): a URI or a host.
    Name(String),
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "a key",
            Self::Certificate(_) => "a certificate",
            Self::Name(_) => "a name of a certificate",
        })
    }
}
