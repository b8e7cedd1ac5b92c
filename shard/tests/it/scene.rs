//! What the tests share: a database of their own.

use forebay_shard::{ShardAddresses, migrate};
use forebay_stack::{Shared, shared};

pub(crate) struct Scene {
    pub(crate) stack: &'static Shared,
    pub(crate) url: String,
}

impl Scene {
    /// A database with every table.
    pub(crate) async fn new(name: &str) -> Self {
        let scene = Self::empty(name).await;
        migrate(&scene.addresses()).await.unwrap();
        scene
    }

    /// A database without tables.
    pub(crate) async fn empty(name: &str) -> Self {
        let stack = shared().await;
        let url = stack.create_database(name).await;
        Self { stack, url }
    }

    pub(crate) fn addresses(&self) -> ShardAddresses {
        self.url.parse().unwrap()
    }

    /// Runs SQL by psql: another client than the one that is tested.
    pub(crate) async fn sql(&self, statement: &str) -> String {
        self.stack.sql(&self.url, statement).await.unwrap().trim().to_owned()
    }
}
