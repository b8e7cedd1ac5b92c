//! Servers that speak TLS alone, and ask who comes.

use std::path::PathBuf;

use forebay_stack::{Durability, Secrets, Stack};

/// What nobody may read anywhere.
pub(super) struct Texts {
    pub(super) postgres: String,
    pub(super) nats: String,
    redis: String,
    seed: String,
}

impl Texts {
    fn of(secrets: &Secrets) -> Self {
        let text = |name| secrets.text(name).unwrap();
        let postgres = text("pgpass").rsplit(':').next().unwrap().to_owned();
        Self { postgres, nats: text("nats-password"), redis: text("redis-password"), seed: text("nats.seed") }
    }

    pub(super) fn are_not_in(&self, what: &str, text: &str) {
        for secret in [&self.postgres, &self.nats, &self.redis, &self.seed] {
            assert!(!secret.is_empty() && !text.contains(secret), "{what} has a secret in it");
        }
    }
}

/// Servers as `forebay up --secure` has them.
pub(super) struct Secured {
    pub(super) stack: Stack,
    pub(super) secrets: Secrets,
    pub(super) texts: Texts,
}

impl Secured {
    pub(super) async fn start() -> Self {
        let stack = Stack::temporary_secured(2, Durability::Fast).await.unwrap();
        let secrets = stack.secrets().unwrap().clone();
        let texts = Texts::of(&secrets);
        Self { stack, secrets, texts }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.secrets.path(name)
    }

    pub(super) fn nats(&self, user: &str) -> String {
        format!("tls://{user}:{}@127.0.0.1:{}", self.texts.nats, self.stack.config().nats_port)
    }

    /// What commands are told. They come to NATS by user and password; to one shard by the password in its address, to the other by that in
    /// a file.
    pub(super) fn settings(&self) -> Vec<(String, String)> {
        let mut settings = self.stack.env();
        settings.retain(|(name, _)| !["FOREBAY_NATS", "FOREBAY_NATS_CREDS", "FOREBAY_SHARDS"].contains(&name.as_str()));
        settings.push(("FOREBAY_NATS".to_owned(), self.nats("forebay")));
        settings.push(self.shards());
        settings
    }

    pub(super) fn shards(&self) -> (String, String) {
        let shards = self.stack.shards().replacen("forebay@", &format!("forebay:{}@", self.texts.postgres), 1);
        ("FOREBAY_SHARDS".to_owned(), shards)
    }
}
