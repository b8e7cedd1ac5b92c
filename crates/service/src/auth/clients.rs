//! Who sends a request, by its API key, its token, its certificate or its address.

use std::path::Path;
use std::sync::Arc;

use forebay_api::Right;
use forebay_model::Tenant;
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use super::client::{Client, Rights};
use super::clients_file;
use super::jwt::{self, JwtSettings, KeySource, Refused, Tokens};
use super::listed::{Credential, Listed};
use crate::followed::Followed;
use crate::http::peer::{Certificate, Peer};
use crate::problem::Problem;
use crate::settings::command_line::BadSetting;

/// All clients. Cloning it is cheap, and all clones know the same.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    /// The clients file, where there is one.
    pub(super) listed: Option<Followed<Vec<Listed>>>,
    /// Who verifies tokens, where they are taken.
    pub(super) tokens: Option<Tokens>,
}

/// Whose a token is: of a request that has come, or of one that is being answered.
pub(crate) type ByToken = fn(&Tokens, &[u8]) -> Result<Client, Refused>;

/// Why a request is not let in.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is nothing to be done about it.
    Now(Problem),
    /// Newer keys of the issuer could show that its token is a good one.
    Perhaps(Problem, KeySource),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Now(problem)
    }
}

impl Clients {
    /// Open access: everybody may do everything.
    pub fn open() -> Self {
        Self::default()
    }

    /// Those of the clients file, and those with a token; open access where the settings name neither.
    ///
    /// # Errors
    /// Every fault of the files is a line that says where it is.
    pub fn load(clients_file: Option<&Path>, tokens: &JwtSettings) -> Result<Self, BadSetting> {
        let listed = clients_file.map(clients_file::follow).transpose()?;
        Ok(Self { listed, tokens: Tokens::load(tokens)? })
    }

    /// What is wrong with the text of a clients file, if something is.
    ///
    /// # Errors
    /// A line that says what, and where.
    pub fn check(text: &str) -> Result<(), String> {
        clients_file::parse(text).map(|_| ())
    }

    /// Reads the clients file again whenever it changes, until `stop`.
    pub(crate) async fn follow_file(self, path: &Path, stop: &CancellationToken) {
        if let Some(listed) = self.listed {
            listed.follow(|| clients_file::read(path), stop).await;
        }
    }

    /// The keys of tokens, where those are taken; they are to be followed.
    pub(crate) fn keys(&self) -> Option<KeySource> {
        self.tokens.as_ref().map(|tokens| tokens.keys.clone())
    }

    /// Who sends a request with these headers from this peer, if it may do what needs `right`; `by_token` says whose a token is.
    pub(crate) fn admit(
        &self,
        headers: &HeaderMap,
        peer: &Peer,
        right: Right,
        by_token: ByToken,
    ) -> Result<Client, Refusal> {
        if self.listed.is_none() && self.tokens.is_none() {
            let client = Client {
                name: peer.name.clone(),
                rights: Rights::ALL,
                orders_per_s: None,
                requests_per_s: None,
                tenant_only: None,
                tenant: Tenant::default(),
                binding: None,
                unlisted: Arc::default(),
            };
            return Ok(client.within(headers)?);
        }
        let client = self.identify(headers, peer, by_token)?;
        if client.may(right) {
            return Ok(client.within(headers)?);
        }
        let challenge = format!("Bearer realm=\"forebay\", error=\"insufficient_scope\", scope=\"{right}\"");
        let problem = Problem::forbidden(format!("client {:?} has not the right {right}", client.name.as_str()));
        Err(challenging(problem, &challenge).into())
    }

    fn identify(&self, headers: &HeaderMap, peer: &Peer, by_token: ByToken) -> Result<Client, Refusal> {
        match (bearer_token(headers)?, &self.tokens, &peer.certificate) {
            (Some(token), Some(tokens), _) if jwt::is_token(token) => {
                by_token(tokens, token).map_err(|refused| refusal(refused, tokens))
            }
            (Some(key), ..) => self.by_key(key).ok_or_else(|| invalid_token("the API key is not known").into()),
            (None, _, Some(certificate)) => self
                .by_certificate(certificate)
                .ok_or_else(|| unauthenticated("the client certificate is not one of the clients file").into()),
            (None, ..) => Err(unauthenticated("the header Authorization is missing").into()),
        }
    }

    /// Looks at every key, whichever matches, so that the time taken tells nothing.
    fn by_key(&self, key: &[u8]) -> Option<Client> {
        let sum: [u8; 32] = Sha256::digest(key).into();
        let listed = self.listed.as_ref()?.now();
        let found = listed.iter().fold(None, |found, entry| match &entry.credential {
            Credential::Key(key_sha256) if bool::from(key_sha256.ct_eq(&sum)) => Some(&entry.client),
            _ => found,
        });
        found.cloned()
    }

    fn by_certificate(&self, certificate: &Arc<Certificate>) -> Option<Client> {
        let listed = self.listed.as_ref()?.now();
        let found = listed.iter().find(|entry| match &entry.credential {
            Credential::Key(_) => false,
            Credential::Certificate(sha256) => *sha256 == certificate.sha256,
            Credential::Name(name) => certificate.names.contains(name),
        });
        found.map(|entry| entry.client.clone())
    }
}

/// What stands behind `Bearer`; none where there is no such header.
fn bearer_token(headers: &HeaderMap) -> Result<Option<&[u8]>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    value
        .as_bytes()
        .split_at_checked(7)
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
        .map(|(_, token)| Some(token.trim_ascii()))
        .ok_or_else(|| unauthenticated("the header Authorization must be: Bearer <API key or JWT>"))
}

fn refusal(refused: Refused, tokens: &Tokens) -> Refusal {
    let problem = match refused {
        Refused::NoKeys => Problem::not_ready(refused.to_string()),
        _ => invalid_token(&refused.to_string()),
    };
    if refused.may_change() && tokens.keys.is_fetched() {
        Refusal::Perhaps(problem, tokens.keys.clone())
    } else {
        Refusal::Now(problem)
    }
}

fn unauthenticated(detail: &str) -> Problem {
    challenging(Problem::unauthenticated(detail), "Bearer realm=\"forebay\"")
}

fn invalid_token(detail: &str) -> Problem {
    challenging(Problem::unauthenticated(detail), "Bearer realm=\"forebay\", error=\"invalid_token\"")
}

fn challenging(problem: Problem, challenge: &str) -> Problem {
    match HeaderValue::from_str(challenge) {
        Ok(challenge) => problem.header(header::WWW_AUTHENTICATE, challenge),
        Err(_) => problem,
    }
}
