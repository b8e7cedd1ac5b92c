//! Servers that speak TLS alone, and ask who comes.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;

use forebay_stack::{Durability, Server, Stack, free_ports};
use forebay_testkit::eventually;
use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa};

/// What nobody may read anywhere.
pub(super) struct Secrets {
    pub(super) postgres: String,
    pub(super) nats: String,
    pub(super) redis: String,
    pub(super) seed: String,
}

impl Secrets {
    pub(super) fn new() -> Self {
        let secret = || format!("secret{:032x}", rand::random::<u128>());
        let seed = KeyPair::new_user().seed().unwrap();
        Self { postgres: secret(), nats: secret(), redis: secret(), seed }
    }

    fn all(&self) -> [&str; 4] {
        [&self.postgres, &self.nats, &self.redis, &self.seed]
    }

    pub(super) fn are_not_in(&self, what: &str, text: &str) {
        for secret in self.all() {
            assert!(!text.contains(secret), "{what} has a secret in it");
        }
    }
}

/// Servers with certificates of an authority of their own.
pub(super) struct Secured {
    pub(super) stack: Stack,
    pub(super) secrets: Secrets,
    pub(super) files: PathBuf,
    redis_port: u16,
}

impl Secured {
    pub(super) async fn start() -> Self {
        let stack = Stack::temporary(2, Durability::Fast).await.unwrap();
        let files = stack.data_dir().join("secrets");
        std::fs::create_dir(&files).unwrap();
        let secured = Self { stack, secrets: Secrets::new(), files, redis_port: free_ports(1)[0] };
        secured.certificates();
        for shard in 0..2 {
            secured.postgres(shard).await;
        }
        secured.nats().await;
        secured.redis().await;
        secured
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.files.join(name).display().to_string()
    }

    /// Postgres takes a key that others can read for none.
    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.files.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let owner = std::fs::metadata(self.stack.data_dir().join("nats")).unwrap();
        for path in [&path, &self.files] {
            chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
    }

    fn certificates(&self) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
        self.write("ca.pem", &authority.pem());
        for (name, host) in [("server", "127.0.0.1"), ("client", "forebay")] {
            let key = rcgen::KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
            self.write(&format!("{name}.pem"), &params.signed_by(&key, &authority).unwrap().pem());
            self.write(&format!("{name}.key"), &key.serialize_pem());
        }
    }

    /// The user that the services have comes by TLS and with its password alone.
    async fn postgres(&self, shard: usize) {
        let password = &self.secrets.postgres;
        for statement in [
            &*format!("create role app login password '{password}'"),
            "alter database forebay owner to app",
            &*format!("alter system set ssl_cert_file = '{}'", self.file("server.pem")),
            &*format!("alter system set ssl_key_file = '{}'", self.file("server.key")),
            "alter system set ssl = on",
        ] {
            self.stack.sql(shard, statement).await.unwrap();
        }
        let rules = self.stack.data_dir().join(format!("postgres-{shard}/pg_hba.conf"));
        let lines = "host all forebay 127.0.0.1/32 trust\nhostssl all app 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(rules, lines).unwrap();
        self.stack.sql(shard, "select pg_reload_conf()").await.unwrap();
        eventually("Postgres speaks TLS", async || {
            let ssl = self.stack.sql(shard, "show ssl").await.unwrap();
            (ssl.trim() == "on", ssl)
        })
        .await;
    }

    /// Who has no certificate comes to no handshake.
    async fn nats(&self) {
        let user = KeyPair::from_seed(&self.secrets.seed).unwrap().public_key();
        let path = self.stack.data_dir().join("nats.conf");
        let text = format!(
            "{}\ntls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}\n\
             authorization {{ users: [ {{ user: app, password: \"{}\" }}, {{ nkey: {user} }} ] }}\n",
            std::fs::read_to_string(&path).unwrap(),
            self.file("server.pem"),
            self.file("server.key"),
            self.file("ca.pem"),
            self.secrets.nats,
        );
        std::fs::write(path, text).unwrap();
        self.stack.restart(Server::Nats).await.unwrap();
    }

    async fn redis(&self) {
        let client = redis::Client::open(self.stack.redis_url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut run = async |words: &[&str]| {
            redis::cmd(words[0]).arg(&words[1..]).query_async::<()>(&mut connection).await.unwrap();
        };
        run(&["CONFIG", "SET", "tls-auth-clients", "no"]).await;
        let (ca, cert, key) = (self.file("ca.pem"), self.file("server.pem"), self.file("server.key"));
        let files = ["tls-ca-cert-file", &ca, "tls-cert-file", &cert, "tls-key-file", &key];
        let port = self.redis_port.to_string();
        run(&[&["CONFIG", "SET"][..], &files, &["tls-port", &port]].concat()).await;
        run(&["ACL", "SETUSER", "app", "on", &format!(">{}", self.secrets.redis), "~*", "+@all"]).await;
        run(&["ACL", "SETUSER", "default", "off"]).await;
        run(&["CONFIG", "SET", "port", "0"]).await;
    }

    /// What services and commands are told: one shard's password stands in its address, the other's in a file.
    pub(super) fn settings(&self) -> Vec<(String, String)> {
        let Self { stack, secrets, redis_port, .. } = self;
        let port = |shard: usize| stack.config().postgres_ports[shard];
        let nats_port = stack.config().nats_port;
        let tls = format!("sslmode=verify-full&sslrootcert={}", self.file("ca.pem"));
        self.write("pgpass", &format!("*:{}:*:app:{}\n", port(1), secrets.postgres));
        self.write("redis-password", &format!("{}\n", secrets.redis));
        let shards = format!(
            "postgres://app:{}@127.0.0.1:{}/forebay?{tls},postgres://app@127.0.0.1:{}/forebay?{tls}",
            secrets.postgres,
            port(0),
            port(1)
        );
        let set = [
            ("FOREBAY_SHARDS", shards),
            ("PGPASSFILE", self.file("pgpass")),
            ("FOREBAY_NATS", format!("tls://app:{}@127.0.0.1:{nats_port}", secrets.nats)),
            ("FOREBAY_NATS_CA", self.file("ca.pem")),
            ("FOREBAY_NATS_CERT", self.file("client.pem")),
            ("FOREBAY_NATS_KEY", self.file("client.key")),
            ("FOREBAY_REDIS", format!("rediss://app@127.0.0.1:{redis_port}")),
            ("FOREBAY_REDIS_PASSWORD_FILE", self.file("redis-password")),
            ("FOREBAY_REDIS_CA", self.file("ca.pem")),
            ("FOREBAY_LOG_LEVEL", "debug".to_owned()),
        ];
        set.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }
}
