//! The servers that everything is measured on, and what rows share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use forebay_stack::{Durability, Server, Stack};
use tempfile::TempDir;

use crate::dataset::{Dataset, Recipe};
use crate::report::Charts;
use crate::scale::Scale;
use crate::usage::{Cost, cpu_seconds, own_cpu_seconds};
use crate::world::World;

/// How many Postgres servers there are; each is a shard, except where a row says otherwise.
pub const SERVERS: usize = 3;

/// How much each server's log has before anything is measured: a little more than the servers keep.
const LOG_MIB: usize = 1100;

/// How many datasets are kept.
const DATASETS_MAX: usize = 2;

/// The servers, and what rows share.
pub struct Bench {
    /// Three Postgres, NATS and Redis, as durable as they come.
    pub stack: Stack,
    /// How much is measured.
    pub scale: Scale,
    /// What is drawn at the end.
    pub charts: Charts,
    dir: TempDir,
    made: AtomicU64,
    datasets: HashMap<Recipe, Arc<Dataset>>,
    templates: HashMap<Recipe, String>,
    kept: Option<(Recipe, World)>,
}

impl Bench {
    /// Starts the servers.
    ///
    /// # Errors
    /// What did not start.
    pub async fn start(scale: Scale) -> Result<Self> {
        let bench = Self {
            stack: Stack::temporary(SERVERS, Durability::Real).await?,
            scale,
            charts: Charts::default(),
            dir: TempDir::with_prefix("forebay-bench-")?,
            made: AtomicU64::new(0),
            datasets: HashMap::new(),
            templates: HashMap::new(),
            kept: None,
        };
        // The files of Postgres' log are there to be written again, as on a server that has been at work for a while.
        // Otherwise what comes first would have to make them.
        let log = format!(
            "select count(pg_logical_emit_message(false, '', repeat('-', 1048576))) from generate_series(1, {LOG_MIB})"
        );
        bench.on_each_server(&log).await?;
        bench.settle().await?;
        Ok(bench)
    }

    /// A name that nothing else of this run has.
    pub fn new_name(&self) -> String {
        format!("bench{}", self.made.fetch_add(1, Ordering::Relaxed))
    }

    /// A path for a file that goes with this value.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The orders of a recipe, made where that was not done before.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn dataset(&mut self, recipe: Recipe) -> Result<Arc<Dataset>> {
        if let Some(made) = self.datasets.get(&recipe) {
            return Ok(Arc::clone(made));
        }
        // A million orders are half a gigabyte, and rows use the same two, but for the long ones.
        if self.datasets.len() == DATASETS_MAX {
            self.datasets.clear();
        }
        let path = self.path(&format!("{}.ndjson", self.new_name()));
        let dataset = Arc::new(Dataset::make(recipe, path)?);
        self.datasets.insert(recipe, Arc::clone(&dataset));
        Ok(dataset)
    }

    /// The name of databases, one on each server, that have every table and partition that these orders need, and no rows.
    ///
    /// # Errors
    /// Where they cannot be made.
    pub async fn template(&mut self, recipe: Recipe) -> Result<String> {
        let recipe = recipe.days_only();
        if let Some(made) = self.templates.get(&recipe) {
            return Ok(made.clone());
        }
        let name = crate::world::template(self, recipe).await.context("the empty tables cannot be made")?;
        self.templates.insert(recipe, name.clone());
        Ok(name)
    }

    /// The world that a row has left to the next, if it holds these orders.
    pub fn take_kept(&mut self, recipe: Recipe) -> Option<World> {
        self.kept.take_if(|(kept, _)| *kept == recipe).map(|(_, world)| world)
    }

    /// Leaves a world to the next row, and ends the one that was left before.
    ///
    /// # Errors
    /// Where that does not end well.
    pub async fn keep(&mut self, recipe: Recipe, world: World) -> Result<()> {
        match self.kept.replace((recipe, world)) {
            Some((_, before)) => before.end(self).await,
            None => Ok(()),
        }
    }

    /// Ends the world that a row has left, if there is one.
    ///
    /// # Errors
    /// Where that does not end well.
    pub async fn end_kept(&mut self) -> Result<()> {
        match self.kept.take() {
            Some((_, world)) => world.end(self).await,
            None => Ok(()),
        }
    }

    /// Lets every server write what it has in memory, so that each measurement begins with a clean disk.
    ///
    /// # Errors
    /// What `psql` says.
    pub async fn settle(&self) -> Result<()> {
        self.on_each_server("checkpoint").await
    }

    async fn on_each_server(&self, statement: &str) -> Result<()> {
        let servers = (0..SERVERS).map(|server| self.stack.sql(server, statement));
        futures::future::try_join_all(servers).await.map(drop)
    }

    /// The CPU seconds that servers, services and this process have used so far.
    pub fn used(&self, world: &World) -> Cost {
        let mut cost = Cost::default();
        cost.add("load", own_cpu_seconds());
        for server in 0..SERVERS {
            add(&mut cost, "postgres", self.stack.process(Server::Postgres(server)).pid());
        }
        add(&mut cost, "nats", self.stack.process(Server::Nats).pid());
        add(&mut cost, "redis", self.stack.process(Server::Redis).pid());
        for (part, process) in world.processes() {
            add(&mut cost, part, process.pid());
        }
        cost
    }

    /// Runs something and gives what it took in CPU seconds.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn metered<T>(&self, world: &World, work: impl Future<Output = Result<T>>) -> Result<(T, Cost)> {
        let before = self.used(world);
        let done = work.await?;
        Ok((done, self.used(world) - before))
    }
}

fn add(cost: &mut Cost, who: &str, pid: Option<u32>) {
    cost.add(who, pid.map_or(0.0, cpu_seconds));
}
