//! The servers that everything is measured on, and what rows share.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use forebay_stack::Server;

use crate::dataset::{Dataset, Recipe};
use crate::report::charts::Charts;
use crate::scale::Scale;
use crate::servers::{SERVERS, Servers};
use crate::usage::{Cost, cpu_seconds, own_cpu_seconds};
use crate::world::{Plan, World, template};

/// How many datasets are kept.
const DATASETS_MAX: usize = 2;

/// The servers, and what rows share.
pub struct Bench {
    /// The servers.
    pub servers: Servers,
    /// How much is measured.
    pub scale: Scale,
    /// What is drawn at the end.
    pub charts: Charts,
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
        Ok(Self {
            servers: Servers::start().await?,
            scale,
            charts: Charts::default(),
            datasets: HashMap::new(),
            templates: HashMap::new(),
            kept: None,
        })
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
        let path = self.servers.path(&format!("{}.ndjson", self.servers.new_name()));
        let dataset = Arc::new(Dataset::make(recipe, path)?);
        self.datasets.insert(recipe, Arc::clone(&dataset));
        Ok(dataset)
    }

    /// A world for these orders, with a shard on each server.
    ///
    /// # Errors
    /// Where its empty tables cannot be made.
    pub async fn plan(&mut self, recipe: Recipe) -> Result<Plan> {
        Ok(Plan::new(self.template(recipe).await?, recipe))
    }

    /// The name of databases, one on each server, that have every table and partition that these orders need, and no rows.
    async fn template(&mut self, recipe: Recipe) -> Result<String> {
        let recipe = recipe.days_only();
        if let Some(made) = self.templates.get(&recipe) {
            return Ok(made.clone());
        }
        let name = template(&self.servers, recipe).await.context("the empty tables cannot be made")?;
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
            Some((_, before)) => before.end(&self.servers).await,
            None => Ok(()),
        }
    }

    /// Ends the world that a row has left, if there is one.
    ///
    /// # Errors
    /// Where that does not end well.
    pub async fn end_kept(&mut self) -> Result<()> {
        match self.kept.take() {
            Some((_, world)) => world.end(&self.servers).await,
            None => Ok(()),
        }
    }

    /// The CPU seconds that servers, services and this process have used so far.
    pub fn used(&self, world: &World) -> Cost {
        let mut cost = Cost::default();
        cost.add("load", own_cpu_seconds());
        for server in 0..SERVERS {
            add(&mut cost, "postgres", self.servers.stack.process(Server::Postgres(server)).pid());
        }
        add(&mut cost, "nats", self.servers.stack.process(Server::Nats).pid());
        add(&mut cost, "redis", self.servers.stack.process(Server::Redis).pid());
        for (service, process) in world.processes() {
            add(&mut cost, service.as_str(), process.pid());
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
