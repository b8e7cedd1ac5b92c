//! TLS on what comes in: HTTP/1.1 and HTTP/2, with a certificate that is read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::followed::Followed;
use crate::http::peer::Certificate;
use crate::settings::command_line::BadSetting;

/// How long a peer may take to come to an understanding.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// Whether connections are TLS, and by what.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TlsSettings {
    /// Certificate of the service and those that lead to it, as PEM: requests come by HTTPS; read again when it changes
    #[arg(long = "tls-cert", env = "FOREBAY_TLS_CERT", value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,

    /// Private key of the certificate, as PEM
    #[arg(long = "tls-key", env = "FOREBAY_TLS_KEY", value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,

    /// Certificates of authorities, as PEM: who has no certificate of one of them is not let in
    #[arg(long = "tls-client-ca", env = "FOREBAY_TLS_CLIENT_CA", value_name = "FILE", requires = "cert")]
    pub client_ca: Option<PathBuf>,
}

/// What connections are made with. Cloning it is cheap, and all clones are the same.
#[derive(Debug, Clone)]
pub struct Tls {
    files: Files,
    config: Followed<ServerConfig>,
}

#[derive(Debug, Clone)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

impl Tls {
    /// Reads certificate and key, where the settings name them.
    ///
    /// # Errors
    /// [`BadSetting`] says which file is wrong, and why.
    pub fn load(settings: &TlsSettings) -> Result<Option<Self>, BadSetting> {
        let TlsSettings { cert: Some(cert), key: Some(key), client_ca } = settings.clone() else { return Ok(None) };
        let files = Files { cert, key, client_ca };
        let config = Followed::new("certificate", files.all(), || files.read()).map_err(BadSetting::new)?;
        Ok(Some(Self { files, config }))
    }

    /// Reads the files again whenever one changes, until `stop`. Open connections stay as they are.
    pub(crate) async fn follow(self, stop: &CancellationToken) {
        self.config.follow(|| self.files.read(), stop).await;
    }

    /// The connection behind the handshake, and the certificate of the peer, where it has shown one that is good; nothing where the
    /// peer does not come to a handshake.
    pub(super) async fn accept(&self, stream: TcpStream) -> Option<(TlsStream<TcpStream>, Option<Certificate>)> {
        match timeout(HANDSHAKE_MAX, TlsAcceptor::from(self.config.now()).accept(stream)).await {
            Ok(Ok(stream)) => {
                let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(Certificate::of);
                Some((stream, certificate))
            }
            Ok(Err(error)) => {
                debug!(%error, "a connection ended in its handshake");
                None
            }
            Err(_late) => None,
        }
    }
}

impl Files {
    fn all(&self) -> Vec<PathBuf> {
        [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()].into_iter().flatten().cloned().collect()
    }

    fn read(&self) -> Result<ServerConfig, String> {
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| format!("--tls-key {}: {error}", self.key.display()))?;
        let chain = certificates("--tls-cert", &self.cert)?;
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(file) => builder.with_client_cert_verifier(verifier(file)?),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| format!("--tls-cert {} does not fit its key: {error}", self.cert.display()))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn verifier(file: &Path) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, String> {
    let said = |error: &dyn std::fmt::Display| format!("--tls-client-ca {}: {error}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in certificates("--tls-client-ca", file)? {
        roots.add(certificate).map_err(|error| said(&error))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()))
        .build()
        .map_err(|error| said(&error))
}

fn certificates(flag: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let said = |error: rustls::pki_types::pem::Error| format!("{flag} {}: {error}", file.display());
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(file).map_err(said)?.collect::<Result<_, _>>().map_err(said)?;
    if certificates.is_empty() {
        return Err(format!("{flag} {}: there is no certificate in it", file.display()));
    }
    Ok(certificates)
}
