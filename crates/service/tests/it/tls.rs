//! HTTPS: certificates, those of clients, and new ones while connections are open.

use std::path::Path;

use axum::routing::get;
use forebay_service::http::TlsSettings;
use forebay_service::{Right, Service, ServiceSettings};
use forebay_testkit::eventually;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use reqwest::{Certificate, Client, ClientBuilder, Identity};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::server::TestService;

/// An authority, and the files that it makes.
pub(crate) struct Authority {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { dir: tempfile::tempdir().unwrap(), issuer }
    }

    /// Certificate and key for that name, as PEM.
    fn issue(&self, name: &str) -> (String, String) {
        let (certificate, key) = self.issue_for(&CertificateParams::new(vec![name.to_owned()]).unwrap());
        (certificate.pem(), key)
    }

    fn issue_for(&self, params: &CertificateParams) -> (rcgen::Certificate, String) {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key.serialize_pem())
    }

    /// A client that shows a certificate.
    fn client_with(&self, certificate: &rcgen::Certificate, key: &str) -> Client {
        self.client(Some(Identity::from_pem((certificate.pem() + key).as_bytes()).unwrap()))
    }

    pub(crate) fn settings(&self, name: &str, asks_for_client: bool) -> TlsSettings {
        self.put(name);
        std::fs::write(self.path("ca.pem"), self.issuer.pem()).unwrap();
        let path = |name| Some(self.path(name));
        TlsSettings {
            cert: path("cert.pem"),
            key: path("key.pem"),
            client_ca: path("ca.pem").filter(|_| asks_for_client),
        }
    }

    fn put(&self, name: &str) {
        let (certificate, key) = self.issue(name);
        std::fs::write(self.path("key.pem"), key).unwrap();
        std::fs::write(self.path("cert.pem"), certificate).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.dir.path()).join(name)
    }

    /// It, as who is to be trusted.
    pub(crate) fn roots(&self) -> rustls::RootCertStore {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    pub(crate) fn client(&self, identity: Option<Identity>) -> Client {
        identity.into_iter().fold(self.builder(), ClientBuilder::identity).build().unwrap()
    }

    fn builder(&self) -> ClientBuilder {
        // Fails where another test of this process was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let root = Certificate::from_pem(self.issuer.pem().as_bytes()).unwrap();
        Client::builder().no_proxy().tls_certs_only([root])
    }
}

async fn serve(tls: TlsSettings) -> TestService {
    let settings = ServiceSettings { tls, ..ServiceSettings::default() };
    let service = Service::new(&settings).unwrap();
    service.follow_files(&settings);
    let hello = axum::Router::new().route("/hello", get(async || "hello"));
    TestService::of(service, hello).await
}

async fn version(client: &Client, server: &TestService) -> Result<reqwest::Version, reqwest::Error> {
    let answer = client.get(format!("https://localhost:{}/hello", server.address.port())).send().await?;
    assert_eq!(answer.status(), 200);
    Ok(answer.version())
}

#[tokio::test]
async fn requests_come_by_https_in_both_versions_and_not_without_it() {
    let authority = Authority::new();
    let server = serve(authority.settings("localhost", false)).await;
    assert_eq!(version(&authority.client(None), &server).await.unwrap(), reqwest::Version::HTTP_2);
    let old = authority.builder().http1_only().build().unwrap();
    assert_eq!(version(&old, &server).await.unwrap(), reqwest::Version::HTTP_11);
    assert!(version(&Authority::new().client(None), &server).await.is_err(), "of another authority");
    let plain = old.get(format!("http://localhost:{}/hello", server.address.port())).send().await;
    assert!(plain.is_err(), "{plain:?}");
}

#[tokio::test]
async fn only_clients_with_a_certificate_are_let_in_where_that_is_asked_for() {
    let authority = Authority::new();
    let server = serve(authority.settings("localhost", true)).await;
    assert!(version(&authority.client(None), &server).await.is_err());
    let (certificate, key) = authority.issue("shop");
    let identity = Identity::from_pem((certificate + &key).as_bytes()).unwrap();
    assert!(version(&authority.client(Some(identity)), &server).await.is_ok());
    let (certificate, key) = Authority::new().issue("shop");
    let stranger = Identity::from_pem((certificate + &key).as_bytes()).unwrap();
    assert!(version(&authority.client(Some(stranger)), &server).await.is_err());
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |sum, byte| sum + &format!("{byte:02x}"))
}

#[tokio::test]
async fn a_certificate_that_the_clients_file_lists_is_who_the_client_is() {
    let authority = Authority::new();
    let uri = SanType::URI("spiffe://example.org/warehouse".try_into().unwrap());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names.push(uri);
    let (by_uri, uri_key) = authority.issue_for(&params);
    let named = |name: &str| authority.issue_for(&CertificateParams::new(vec![name.to_owned()]).unwrap());
    let ((by_host, host_key), (by_sum, sum_key), (unlisted, unlisted_key)) = (named("shop"), named("desk"), named("x"));
    let (sum, key_sha256) = (sum(by_sum.der()), sum(b"secret-of-ops"));
    let clients = authority.path("clients.toml");
    let listed = format!(
        "[[client]]\nname = 'warehouse'\ncert_san = 'spiffe://example.org/warehouse'\nrights = ['read']\n\
         [[client]]\nname = 'shop'\ncert_san = ['shop']\nrights = ['write']\n\
         [[client]]\nname = 'desk'\ncert_sha256 = '{sum}'\nrights = ['read']\n\
         [[client]]\nname = 'ops'\nkey_sha256 = '{key_sha256}'\nrights = ['read']\n"
    );
    std::fs::write(&clients, listed).unwrap();
    let tls = authority.settings("localhost", true);
    let settings = ServiceSettings { tls, clients_file: Some(clients), ..ServiceSettings::default() };
    let service = Service::new(&settings).unwrap();
    let who = async |client: forebay_service::Client| client.name.to_string();
    let guard = service.clients.guard(Right::OrdersRead);
    let server = TestService::of(service, axum::Router::new().route("/who", get(who)).route_layer(guard)).await;
    let ask = async |client: Client, key: Option<&str>| {
        let mut request = client.get(format!("https://localhost:{}/who", server.address.port()));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ask(authority.client_with(&by_uri, &uri_key), None).await, (200, "warehouse".to_owned()));
    assert_eq!(ask(authority.client_with(&by_sum, &sum_key), None).await, (200, "desk".to_owned()));
    assert_eq!(ask(authority.client_with(&by_host, &host_key), None).await.0, 403);
    let stranger = || authority.client_with(&unlisted, &unlisted_key);
    assert_eq!(ask(stranger(), None).await.0, 401);
    assert_eq!(ask(stranger(), Some("secret-of-ops")).await, (200, "ops".to_owned()));
    let wrong_key = ask(authority.client_with(&by_uri, &uri_key), Some("wrong")).await;
    assert_eq!(wrong_key.0, 401, "who names itself is that, or nobody");
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_open_ones_stay() {
    let authority = Authority::new();
    let server = serve(authority.settings("elsewhere", false)).await;
    assert!(version(&authority.client(None), &server).await.is_err(), "it is one for another name");
    authority.put("localhost");
    eventually("the new one is shown", async || {
        let asked = version(&authority.client(None), &server).await;
        (asked.is_ok(), asked.err())
    })
    .await;
    let open = authority.client(None);
    version(&open, &server).await.unwrap();
    authority.put("elsewhere");
    eventually("the next one is shown", async || {
        let asked = version(&authority.client(None), &server).await;
        (asked.is_err(), ())
    })
    .await;
    version(&open, &server).await.unwrap();
    // A certificate that does not fit its key changes nothing.
    std::fs::write(authority.path("cert.pem"), "no certificate").unwrap();
    version(&open, &server).await.unwrap();
}

#[test]
fn what_is_wrong_with_the_files_is_one_line() {
    let authority = Authority::new();
    let settings = authority.settings("localhost", false);
    let fault = |tls: TlsSettings| {
        let settings = ServiceSettings { tls, ..ServiceSettings::default() };
        Service::new(&settings).expect_err("a file is wrong").to_string()
    };
    let other = authority.path("other.pem");
    std::fs::write(&other, Authority::new().issue("localhost").0).unwrap();
    let nowhere = || Some("/nowhere".into());
    for (said, tls) in [
        ("--tls-cert /nowhere: ", TlsSettings { cert: nowhere(), ..settings.clone() }),
        ("--tls-key /nowhere: ", TlsSettings { key: nowhere(), ..settings.clone() }),
        ("does not fit its key", TlsSettings { cert: Some(other), ..settings.clone() }),
        ("there is no certificate in it", TlsSettings { cert: settings.key.clone(), ..settings.clone() }),
        ("--tls-client-ca /nowhere: ", TlsSettings { client_ca: nowhere(), ..settings }),
    ] {
        let fault = fault(tls);
        assert!(fault.contains(said) && !fault.contains('\n'), "{fault:?} has not {said:?}");
    }
}
