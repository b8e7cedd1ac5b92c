//! Who sends a request, by its token or its address.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::client::{Client, Right, Rights};
use crate::http::peer::Peer;
use crate::problem::Problem;

/// All clients. Cloning it is cheap.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    /// None: access is open.
    pub(super) listed: Option<Arc<[Listed]>>,
}

#[derive(Debug)]
pub(super) struct Listed {
    pub(super) token_sha256: [u8; 32],
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
