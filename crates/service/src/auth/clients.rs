//! Who sends a request, by its API key or its address.

use forebay_api::Right;
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::client::{Client, Rights};
use crate::followed::Followed;
use crate::http::peer::Peer;
use crate::problem::Problem;

/// All clients. Cloning it is cheap, and all clones know the same.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    /// None: access is open.
    pub(super) listed: Option<Followed<Vec<Listed>>>,
}

/// A key, and whose it is.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) key_sha256: [u8; 32],
    pub(super) client: Client,
}

impl Clients {
    /// Open access: everybody may do everything.
    pub fn open() -> Self {
        Self::default()
    }

    /// Who sends a request with these headers from this peer, if it may do what needs `right`.
    pub(super) fn admit(&self, headers: &HeaderMap, peer: &Peer, right: Right) -> Result<Client, Problem> {
        let Some(listed) = &self.listed else {
            return Ok(Client {
                name: peer.name.clone(),
                rights: Rights::ALL,
                orders_per_s: None,
                requests_per_s: None,
                binding: None,
            });
        };
        let key = bearer_token(headers)?;
        let listed = listed.now();
        let client = find(&listed, key).ok_or_else(|| {
            unauthenticated("the API key is not known").header(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"forebay\", error=\"invalid_token\""),
            )
        })?;
        if client.may(right) {
            Ok(client.clone())
        } else {
            Err(Problem::forbidden(format!("client {:?} has not the right {right}", client.name.as_str())))
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
        .map(|(_, key)| key.trim_ascii())
        .ok_or_else(|| unauthenticated("the header Authorization must be: Bearer <API key>"))
}

/// Looks at every key, whichever matches, so that the time taken tells nothing.
fn find<'a>(listed: &'a [Listed], key: &[u8]) -> Option<&'a Client> {
    let sum: [u8; 32] = Sha256::digest(key).into();
    listed.iter().fold(
        None,
        |found, entry| {
            if bool::from(entry.key_sha256.ct_eq(&sum)) { Some(&entry.client) } else { found }
        },
    )
}

fn unauthenticated(detail: &str) -> Problem {
    Problem::unauthenticated(detail)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"forebay\""))
}
