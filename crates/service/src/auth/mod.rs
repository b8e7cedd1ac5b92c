//! API clients, their tokens and their rights.
//!
//! Without a clients file access is open to everybody, and a client is known by its address. With one, every request needs
//! `Authorization: Bearer <token>` (RFC 6750). Only SHA-256 sums of tokens are kept; they are compared in constant time.

mod clients_file;
mod guard;

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::http::Peer;
use crate::problem::Problem;

pub use guard::Guard;

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Ask questions.
    Read,
    /// Send orders.
    Write,
}

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights {
    read: bool,
    write: bool,
}

/// The name that a client is known by, in rate limits and logs: its name in the clients file, or its address.
///
/// An IPv6 client owns a /64, so that is its name. Cloning it is cheap.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientName(Arc<str>);

/// Who sends a request. An extractor for handlers of routes behind a [`Guard`].
#[derive(Debug, Clone)]
pub struct Client {
    /// The name that the client is known by.
    pub name: ClientName,
    /// What the client may do.
    pub rights: Rights,
    /// The client's own rate limit, where the clients file gives one.
    pub orders_per_s: Option<NonZeroU32>,
}

/// All clients. Cloning it is cheap.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    /// None: access is open.
    listed: Option<Arc<[Listed]>>,
}

#[derive(Debug)]
struct Listed {
    token_sha256: [u8; 32],
    client: Client,
}

impl Rights {
    /// Everything: what open access gives.
    pub const ALL: Self = Self { read: true, write: true };

    /// Whether the right is in the set.
    pub fn has(self, right: Right) -> bool {
        match right {
            Right::Read => self.read,
            Right::Write => self.write,
        }
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        rights.into_iter().fold(Self::default(), |set, right| match right {
            Right::Read => Self { read: true, ..set },
            Right::Write => Self { write: true, ..set },
        })
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

impl Clients {
    /// Open access: everybody may do everything.
    pub fn open() -> Self {
        Self::default()
    }

    /// A layer for routes that need `right`: `routes.route_layer(clients.guard(Right::Write))`.
    pub fn guard(&self, right: Right) -> Guard {
        Guard::new(self.clone(), right)
    }

    /// Who sends a request with these headers from this peer, if it may do what needs `right`.
    fn admit(&self, headers: &HeaderMap, peer: &Peer, right: Right) -> Result<Client, Problem> {
        let Some(listed) = &self.listed else {
            return Ok(Client { name: peer.name.clone(), rights: Rights::ALL, orders_per_s: None });
        };
        let token = bearer_token(headers)?;
        let client = find(listed, token).ok_or_else(|| {
            unauthenticated("the token is not known").header(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"forebay\", error=\"invalid_token\""),
            )
        })?;
        if client.rights.has(right) {
            Ok(client.clone())
        } else {
            let right = match right {
                Right::Read => "read",
                Right::Write => "write",
            };
            Err(Problem::forbidden(format!("client {:?} has no right to {right}", client.name.as_str())))
        }
    }
}

fn bearer_token(headers: &HeaderMap) -> Result<&[u8], Problem> {
    let value =
        headers.get(header::AUTHORIZATION).ok_or_else(|| unauthenticated("the header Authorization is missing"))?;
    value
        .as_bytes()
        .split_at_checked(7)
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
        .map(|(_, token)| token.trim_ascii())
        .ok_or_else(|| unauthenticated("the header Authorization must be: Bearer <token>"))
}

/// Looks at every client, whichever matches, so that the time taken tells nothing.
fn find<'a>(listed: &'a [Listed], token: &[u8]) -> Option<&'a Client> {
    let sum: [u8; 32] = Sha256::digest(token).into();
    listed.iter().fold(
        None,
        |found, entry| {
            if bool::from(entry.token_sha256.ct_eq(&sum)) { Some(&entry.client) } else { found }
        },
    )
}

fn unauthenticated(detail: &str) -> Problem {
    Problem::unauthenticated(detail)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"forebay\""))
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
