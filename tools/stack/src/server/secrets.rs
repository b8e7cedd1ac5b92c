//! What servers ask for that do not let everybody in, and what who comes brings: certificates of an authority of their own, passwords and
//! the seed of a key. They are made where they are first needed, and found again.
//!
//! ```text
//! secrets/ca.pem                          whom to trust
//! secrets/server.pem, server.key          what servers and services show
//! secrets/client.pem, client.key          what who comes to NATS shows, or to a Postgres server to see after it
//! secrets/pgpass, redis-password, nats.seed, nats-password
//! secrets/pg_hba.conf, postgres.sql, nats.conf, redis.acl    what the servers are told
//! ```

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use nkeys::KeyPair;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::NAME;
use crate::home::Home;
use crate::process::ready::connect;

/// What a path may have in an address as it is.
const OF_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.');

/// The secrets of the servers of one directory. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Secrets {
    dir: Arc<Path>,
}

impl Secrets {
    /// Those of the servers of that directory, which do not run, made where there are none.
    ///
    /// # Errors
    /// Where they cannot be made, or somebody runs the servers.
    pub fn make(dir: &Path) -> Result<Self> {
        Self::of(&Home::open(dir)?)
    }

    /// The same of a directory that is held.
    pub(crate) fn of(home: &Home) -> Result<Self> {
        let secrets = Self { dir: home.server_dir("secrets")?.into() };
        // It is written last.
        if !secrets.path("ca.pem").is_file() {
            let written = |(name, text): (&str, String)| secrets.write(home, name, &text);
            secrets.made()?.into_iter().try_for_each(written).context("cannot make the secrets of the servers")?;
        }
        Ok(secrets)
    }

    /// One of the files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The same as text.
    fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// What one of the files says.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn text(&self, name: &str) -> Result<String> {
        let path = self.path(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.trim_end().to_owned())
    }

    /// The settings by which every Forebay program comes in. None of them is a secret.
    pub(crate) fn env(&self) -> Vec<(String, String)> {
        let set = [
            ("PGPASSFILE", self.file("pgpass")),
            ("FOREBAY_NATS_CREDS", self.file("nats.seed")),
            ("FOREBAY_NATS_CA", self.file("ca.pem")),
            ("FOREBAY_NATS_CERT", self.file("client.pem")),
            ("FOREBAY_NATS_KEY", self.file("client.key")),
            ("FOREBAY_REDIS_PASSWORD_FILE", self.file("redis-password")),
            ("FOREBAY_REDIS_CA", self.file("ca.pem")),
        ];
        set.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// How the address of a database ends.
    pub(crate) fn of_postgres_url(&self) -> String {
        let ca = self.file("ca.pem");
        format!("?sslmode=verify-full&sslrootcert={}", utf8_percent_encode(&ca, OF_PATH))
    }

    /// What `psql` is told: by the certificate it comes to the database that a server is seen after in, by the password to the shard's.
    pub(crate) fn psql(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PGSSLMODE", "verify-full".to_owned()),
            ("PGSSLROOTCERT", self.file("ca.pem")),
            ("PGSSLCERT", self.file("client.pem")),
            ("PGSSLKEY", self.file("client.key")),
            ("PGPASSFILE", self.file("pgpass")),
        ]
    }

    /// What a Postgres server is told.
    pub(crate) fn postgres(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ssl", "on".to_owned()),
            ("ssl_cert_file", self.file("server.pem")),
            ("ssl_key_file", self.file("server.key")),
            ("ssl_ca_file", self.file("ca.pem")),
            ("hba_file", self.file("pg_hba.conf")),
        ]
    }

    /// Connects to a server on this machine by TLS.
    pub(crate) async fn connect(&self, port: u16) -> Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(self.path("ca.pem")).context("cannot read ca.pem")? {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1")?;
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, connect(port).await?).await.context("it does not speak TLS")
    }

    /// The files, by name, that of the authority last.
    fn made(&self) -> Result<Vec<(&'static str, String)>> {
        let user = NAME;
        let [postgres, nats, redis] = [(); 3].map(|()| format!("{:064x}", rand::random::<u128>()));
        let key = KeyPair::new_user();
        let seed = key.seed().context("cannot make a key for NATS")?;
        let mut files = vec![
            ("pgpass", format!("*:*:*:{user}:{postgres}\n")),
            ("postgres.sql", format!("alter role {user} password '{postgres}';\n")),
            (
                "pg_hba.conf",
                format!("hostssl postgres {user} 127.0.0.1/32 cert\nhostssl all {user} 127.0.0.1/32 scram-sha-256\n"),
            ),
            ("nats.seed", format!("{seed}\n")),
            ("nats-password", format!("{nats}\n")),
            ("nats.conf", self.nats(user, &nats, &key.public_key())),
            ("redis-password", format!("{redis}\n")),
            ("redis.acl", format!("user default off\nuser {user} on >{redis} ~* &* +@all\n")),
        ];
        files.extend(certificates(user)?);
        Ok(files)
    }

    /// Who has no certificate comes to no handshake.
    fn nats(&self, user: &str, password: &str, key: &str) -> String {
        let [cert, key_file, ca] =
            ["server.pem", "server.key", "ca.pem"].map(|name| format!("{:?}", self.path(name).display().to_string()));
        format!(
            "tls {{ cert_file: {cert}, key_file: {key_file}, ca_file: {ca}, verify: true }}\n\
             authorization {{ users: [ {{ user: {user}, password: \"{password}\" }}, {{ nkey: {key} }} ] }}\n"
        )
    }

    /// Postgres takes a key that others can read for none.
    fn write(&self, home: &Home, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        fs::write(&path, "").with_context(|| format!("cannot write {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        fs::write(&path, text)?;
        home.account().map_or(Ok(()), |account| account.own(&path))
    }
}

fn certificates(user: &str) -> Result<Vec<(&'static str, String)>> {
    let params = |name: &str, hosts: &[&str]| -> Result<CertificateParams> {
        let mut params = CertificateParams::new(hosts.iter().map(|&host| host.to_owned()).collect::<Vec<_>>())?;
        params.distinguished_name.push(DnType::CommonName, name);
        Ok(params)
    };
    let mut authority = params("authority of a local Forebay", &[])?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, rcgen::KeyPair::generate()?)?;
    let mut files = Vec::new();
    for (cert, key_file, name, hosts) in [
        ("server.pem", "server.key", "a local Forebay", &["127.0.0.1", "localhost", "::1"][..]),
        ("client.pem", "client.key", user, &[]),
    ] {
        let key = rcgen::KeyPair::generate()?;
        files.push((cert, params(name, hosts)?.signed_by(&key, &authority)?.pem()));
        files.push((key_file, key.serialize_pem()));
    }
    files.push(("ca.pem", authority.pem()));
    Ok(files)
}
