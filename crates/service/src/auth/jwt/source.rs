//! Where the keys of the issuer come from.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use reqwest::Url;
use tokio_util::sync::CancellationToken;

use super::key_set::KeySet;
use super::published::{Published, TooManyWait};
use crate::auth::binding::Binding;
use crate::followed::Followed;
use crate::health::{Health, Need};
use crate::http::is_this_machine;
use crate::settings::command_line::BadSetting;

/// The claims that bind, where nothing else is said.
const BINDINGS: &str = "customer,seller";

/// Whose tokens let clients in.
#[derive(Debug, Clone, clap::Args)]
pub struct JwtSettings {
    /// Who issues the tokens (JWT) that let clients in, besides the clients file: their claim `iss`
    #[arg(long = "jwt-issuer", env = "FOREBAY_JWT_ISSUER", value_name = "ISSUER", requires_all = ["audience", "jwks"])]
    pub issuer: Option<String>,

    /// For whom those tokens are: one of their claim `aud`
    #[arg(long = "jwt-audience", env = "FOREBAY_JWT_AUDIENCE", value_name = "AUDIENCE", requires_all = ["issuer", "jwks"])]
    pub audience: Option<String>,

    /// Public keys of the issuer, as a JSON Web Key Set: a file, or an https address; read again when they change
    #[arg(long, env = "FOREBAY_JWKS", value_name = "FILE|URL", requires_all = ["issuer", "audience"])]
    pub jwks: Option<Jwks>,

    /// Claims of those tokens that bind a client to what it may see: `customer`, and names of views
    #[arg(
        long = "jwt-bindings",
        env = "FOREBAY_JWT_BINDINGS",
        value_name = "CLAIMS",
        value_delimiter = ',',
        default_value = BINDINGS,
        value_parser = binding
    )]
    pub bindings: Vec<String>,
}

impl Default for JwtSettings {
    /// No tokens are taken.
    fn default() -> Self {
        let bindings = BINDINGS.split(',').map(str::to_owned).collect();
        Self { issuer: None, audience: None, jwks: None, bindings }
    }
}

fn binding(name: &str) -> Result<String, String> {
    Binding::check_name(name).map(|()| name.to_owned())
}

/// Where a key set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Jwks {
    /// In a file.
    File(PathBuf),
    /// At an address: by https, or on this machine.
    Url(Url),
}

impl FromStr for Jwks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains("://") {
            return Ok(Self::File(text.into()));
        }
        let url = Url::parse(text).map_err(|error| format!("this is no address: {error}"))?;
        let is_private =
            url.scheme() == "https" || url.scheme() == "http" && url.host_str().is_some_and(is_this_machine);
        if !is_private {
            return Err("keys come by https, or from this machine by http".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a key set is public: its address has no user and no password".to_owned());
        }
        Ok(Self::Url(url))
    }
}

/// The keys, wherever they come from. Cloning it is cheap, and all clones have the same.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    File(PathBuf, Followed<KeySet>),
    Url(Arc<Published>),
}

impl KeySource {
    /// Reads a file now; an address is asked by [`Self::follow`].
    pub(super) fn load(jwks: &Jwks) -> Result<Self, BadSetting> {
        match jwks {
            Jwks::File(path) => {
                let keys = Followed::new("key set", vec![path.clone()], || read(path)).map_err(BadSetting::new)?;
                Ok(Self::File(path.clone(), keys))
            }
            Jwks::Url(url) => Ok(Self::Url(Arc::new(Published::new(url.clone()).map_err(BadSetting::new)?))),
        }
    }

    /// The keys of now; none where the address has not been reached yet.
    pub(super) fn now(&self) -> Option<Arc<KeySet>> {
        match self {
            Self::File(_, keys) => Some(keys.now()),
            Self::Url(published) => published.now(),
        }
    }

    /// Whether they are fetched, rather than looked at all the time.
    pub(crate) fn is_fetched(&self) -> bool {
        matches!(self, Self::Url(_))
    }

    /// Waits until it is sure that the keys are not older than this call, as far as that can be.
    ///
    /// # Errors
    /// Where too many wait already.
    pub(crate) async fn renewed(&self) -> Result<(), TooManyWait> {
        match self {
            Self::File(..) => Ok(()),
            Self::Url(published) => published.renewed().await,
        }
    }

    /// Reads the keys again whenever they change, until `stop`. Where others can come in without tokens, the service goes on without keys.
    pub(crate) async fn follow(self, health: &Health, need: Need, stop: &CancellationToken) {
        match self {
            Self::File(path, keys) => keys.follow(|| read(&path), stop).await,
            Self::Url(published) => published.follow(&health.dependency("jwks", need), stop).await,
        }
    }
}

fn read(path: &Path) -> Result<KeySet, String> {
    let said = |fault: String| format!("key set {}: {fault}", path.display());
    let text = std::fs::read(path).map_err(|error| said(error.to_string()))?;
    let keys = KeySet::parse(&text).map_err(said)?;
    keys.tell();
    Ok(keys)
}
