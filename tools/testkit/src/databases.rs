//! Databases of a test's own, on the servers that all tests share.

use forebay_stack::{Shared, shared};

/// New, empty databases, spread over the shared servers in turn.
pub struct Databases {
    /// The servers that they are on.
    pub stack: &'static Shared,
    /// Their addresses: one for each shard, unless a test makes something else of them.
    pub urls: Vec<String>,
}

impl Databases {
    /// Makes them; the hint stands in their names.
    pub async fn new(hint: &str, count: usize) -> Self {
        let stack = shared().await;
        Self { stack, urls: stack.create_databases(count, hint).await }
    }

    /// Runs SQL by psql: another client than those that are tested.
    pub async fn sql(&self, shard: usize, statement: &str) -> String {
        let rows = self.stack.sql(&self.urls[shard], statement).await;
        rows.unwrap_or_else(|error| panic!("{error:#}: {statement}")).trim().to_owned()
    }

    /// Runs a statement on each.
    pub async fn sql_everywhere(&self, statement: &str) {
        for shard in 0..self.urls.len() {
            self.sql(shard, statement).await;
        }
    }

    /// The sum of a statement that gives one number on each; tables that are not there yet count nothing.
    pub async fn sum(&self, statement: &str) -> u64 {
        let mut sum = 0;
        for url in &self.urls {
            sum += self.stack.sql(url, statement).await.ok().and_then(|n| n.trim().parse::<u64>().ok()).unwrap_or(0);
        }
        sum
    }

    /// Takes a database away from everybody: it can neither be used nor connected to.
    pub async fn take_down(&self, shard: usize) {
        let name = self.allow_connections(shard, false).await;
        let end = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
        self.administrate(shard, &end).await;
    }

    /// Gives it back.
    pub async fn bring_back(&self, shard: usize) {
        self.allow_connections(shard, true).await;
    }

    /// Keeps a copy of a database as it is now. Open connections are cut off.
    pub async fn keep_copy(&self, shard: usize) {
        let name = self.name(shard);
        self.take_down(shard).await;
        self.administrate(shard, &format!("create database \"{name}_kept\" template \"{name}\"")).await;
        self.bring_back(shard).await;
    }

    /// Puts the copy in the place of the database, as a backup is restored.
    pub async fn put_copy_back(&self, shard: usize) {
        let name = self.name(shard);
        self.take_down(shard).await;
        self.administrate(shard, &format!("drop database \"{name}\"")).await;
        self.administrate(shard, &format!("alter database \"{name}_kept\" rename to \"{name}\"")).await;
    }

    async fn allow_connections(&self, shard: usize, allowed: bool) -> &str {
        let name = self.name(shard);
        self.administrate(shard, &format!("alter database \"{name}\" allow_connections {allowed}")).await;
        name
    }

    fn name(&self, shard: usize) -> &str {
        self.urls[shard].rsplit_once('/').expect("an address names a database").1
    }

    async fn administrate(&self, shard: usize, statement: &str) {
        let (server, _) = self.urls[shard].rsplit_once('/').expect("an address names a database");
        self.stack.sql(&format!("{server}/postgres"), statement).await.expect("the server takes it");
    }
}
