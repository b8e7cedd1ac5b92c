//! No task that every service has may die unnoticed.

use axum::Router;
use forebay_service::auth::JwtSettings;
use forebay_service::lifecycle::Outcome;
use forebay_service::{Service, ServiceSettings};
use forebay_testkit::eventually;
use forebay_testkit::issuer::{AUDIENCE, ISSUER, Key, key_set};
use tempfile::NamedTempFile;
use tokio::time::timeout;

use crate::server::{SOON, TestService};
use crate::tls::Authority;

/// The files that a service reads again when they change.
struct Files {
    authority: Authority,
    clients: NamedTempFile,
    keys: NamedTempFile,
}

impl Files {
    fn new() -> Self {
        let (clients, keys) = (NamedTempFile::new().unwrap(), NamedTempFile::new().unwrap());
        let sum = "5cd79f555d6c17fe43ce8557b57957d2328207a997658957cf2c5a74443db7b8";
        let listed = format!("[[client]]\nname = 'desk'\nkey_sha256 = '{sum}'\nrights = ['read']\n");
        std::fs::write(clients.path(), listed).unwrap();
        std::fs::write(keys.path(), key_set(&[&Key::p256("a")]).to_string()).unwrap();
        Self { authority: Authority::new(), clients, keys }
    }

    async fn serve(&self, failpoints: &str) -> TestService {
        let jwt = JwtSettings {
            issuer: Some(ISSUER.to_owned()),
            audience: Some(AUDIENCE.to_owned()),
            jwks: Some(self.keys.path().to_str().unwrap().parse().unwrap()),
            bindings: Vec::new(),
        };
        let settings = ServiceSettings {
            tls: self.authority.settings("localhost", false),
            clients_file: Some(self.clients.path().to_owned()),
            jwt,
            failpoints: failpoints.parse().unwrap(),
            ..ServiceSettings::default()
        };
        let service = Service::new(&settings).unwrap();
        service.follow_files(&settings);
        TestService::of(service, Router::new()).await
    }
}

#[tokio::test]
async fn a_dead_task_leaves_no_service_half_alive() {
    let files = Files::new();
    let known = ["certificate", "clients file", "http server", "key set", "metrics upkeep"];
    let well = files.serve("").await;
    eventually("all tasks run", async || {
        let running = well.service.lifecycle.running();
        (running == known, running)
    })
    .await;
    for task in known {
        let doomed = files.serve(&format!("task:{task}=panic")).await;
        let outcome = timeout(SOON, doomed.service.lifecycle.clone().run()).await;
        assert_eq!(outcome, Ok(Outcome::Failed), "the service lives on without its task {task:?}");
    }
    assert_eq!(well.service.lifecycle.running(), known);
}
