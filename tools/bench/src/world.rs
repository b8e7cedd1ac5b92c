//! A world: empty databases and streams, and services on them. Each measurement that stores orders has its own.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use async_nats::jetstream;
use forebay_e2e::command::{Run, forebay, program};
use forebay_stack::{Managed, PortInUse, Process, Program, Ready, free_ports};
use futures::TryStreamExt;

use crate::bench::{Bench, SERVERS};
use crate::dataset::{Dataset, Recipe};
use crate::progress::Progress;

/// The services, in the order in which they start: the writer makes what the others need.
const SERVICES: [&str; 3] = ["writer", "ingest", "query"];
const ATTEMPTS: usize = 10;

/// What a world is to be like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The databases that it copies.
    pub template: String,
    /// How many shards it has; they are dealt out to the servers.
    pub shards: usize,
    /// Settings of all services.
    pub settings: Vec<(&'static str, String)>,
}

/// Empty databases and streams, and services on them.
pub struct World {
    /// The addresses of its shards.
    pub urls: Vec<String>,
    name: String,
    settings: Vec<(String, String)>,
    services: Vec<Service>,
    databases: Vec<(usize, String)>,
}

struct Service {
    name: &'static str,
    port: u16,
    process: Process,
}

impl Plan {
    /// A world for these orders, with a shard on each server.
    ///
    /// # Errors
    /// Where its empty tables cannot be made.
    pub async fn of(bench: &mut Bench, recipe: Recipe) -> Result<Self> {
        let template = bench.template(recipe).await?;
        Ok(Self { template, shards: SERVERS, settings: vec![("FOREBAY_VIEWS", recipe.views().to_owned())] })
    }

    /// With a further setting of all services.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((name, value.into()));
        self
    }
}

impl World {
    /// Makes the databases, starts the services, and returns when all is ready and the disk is quiet.
    ///
    /// # Errors
    /// What did not start.
    pub async fn start(bench: &Bench, plan: &Plan) -> Result<Self> {
        let name = bench.new_name();
        let databases = databases(bench, &name, &plan.template, plan.shards).await?;
        let mut world = Self {
            urls: databases.iter().map(|(server, database)| url(bench, *server, database)).collect(),
            settings: Vec::new(),
            services: Vec::new(),
            name,
            databases,
        };
        world.settings = world.environment(bench, plan);
        for service in SERVICES {
            world.start_service(bench, service).await.with_context(|| format!("{service} did not start"))?;
        }
        Progress::connect(&world.urls).await?.wait_until_begun().await?;
        bench.settle().await?;
        Ok(world)
    }

    fn environment(&self, bench: &Bench, plan: &Plan) -> Vec<(String, String)> {
        let mut environment = vec![
            ("FOREBAY_SHARDS".to_owned(), self.urls.join(",")),
            ("FOREBAY_NATS".to_owned(), bench.stack.nats_url()),
            ("FOREBAY_REDIS".to_owned(), bench.stack.redis_url()),
            ("FOREBAY_LOG_PREFIX".to_owned(), self.name.clone()),
            // The limits have the same partitions from their beginning to their end.
            ("FOREBAY_MERGE_QUIET_S".to_owned(), "0".to_owned()),
            ("FOREBAY_LOG_LEVEL".to_owned(), "warn".to_owned()),
        ];
        environment.extend(plan.settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        environment
    }

    async fn start_service(&mut self, bench: &Bench, name: &'static str) -> Result<()> {
        let listen = format!("FOREBAY_{}_LISTEN", name.to_uppercase());
        let mut start = Program::new(program(&format!("forebay-{name}"))?);
        for (variable, value) in &self.settings {
            start = start.env(variable, value);
        }
        let (process, port) =
            on_free_port(bench, name, |port| start.clone().env(&listen, local(port)), "/readyz").await?;
        self.services.push(Service { name, port, process });
        Ok(())
    }

    /// Stops a service in order.
    pub async fn stop_service(&mut self, name: &str) {
        for service in self.services.iter().filter(|service| service.name == name) {
            service.process.stop().await;
        }
        self.services.retain(|service| service.name != name);
    }

    /// Starts a service that was stopped, or the same once more, with further settings. The last one that was started is
    /// the one that is asked.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn add_service(&mut self, bench: &Bench, name: &'static str, settings: &[(&str, &str)]) -> Result<()> {
        let before = self.settings.clone();
        self.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let started = self.start_service(bench, name).await;
        self.settings = before;
        started
    }

    /// Stops the service of that name that was started last.
    pub async fn stop_last(&mut self, name: &str) {
        if let Some(place) = self.services.iter().rposition(|service| service.name == name) {
            self.services.remove(place).process.stop().await;
        }
    }

    /// The port of a service: of the last one that was started.
    ///
    /// # Panics
    /// Where it was stopped.
    pub fn port(&self, name: &str) -> u16 {
        let found = self.services.iter().rfind(|service| service.name == name);
        found.expect("the service was not stopped").port
    }

    /// Every service that runs.
    pub fn processes(&self) -> impl Iterator<Item = (&'static str, &Process)> {
        self.services.iter().map(|service| (service.name, &service.process))
    }

    /// Replays a file through the batch endpoint.
    ///
    /// # Errors
    /// Where an order was not accepted.
    pub async fn replay(&self, bench: &Bench, file: &Path) -> Result<Run> {
        let (state, rejects) = (bench.path("state"), bench.path("rejects"));
        let to = format!("http://{}", local(self.port("ingest")));
        let paths = [&state, &rejects, file].map(|path| path.display().to_string());
        let [state, rejects, file] = paths.each_ref().map(String::as_str);
        let arguments = ["replay", "--json", "--to", &to, "--state-dir", state, "--rejects", rejects, file];
        forebay(&arguments, &[], b"").await?.ok()
    }

    /// Stops the services, and deletes streams and databases.
    ///
    /// # Errors
    /// What is left.
    pub async fn end(self, bench: &Bench) -> Result<()> {
        for name in ["ingest", "query", "writer"] {
            for service in self.services.iter().filter(|service| service.name == name) {
                let status = service.process.stop().await;
                ensure!(status.is_some_and(|status| status.success()), "{name} ended with {status:?}");
            }
        }
        delete_streams(bench, &self.name).await?;
        drop_databases(bench, &self.databases).await?;
        Ok(())
    }
}

/// Starts a program on a free port.
///
/// # Errors
/// Where it does not start.
pub async fn on_free_port(
    bench: &Bench,
    name: &str,
    program: impl Fn(u16) -> Program,
    ready: &'static str,
) -> Result<(Process, u16)> {
    let mut attempts = 0;
    loop {
        let port = free_ports(1)[0];
        attempts += 1;
        let managed = Managed::new(name, program(port), bench.stack.log(name), Ready::http(port, ready)).on_port(port);
        match Process::start(managed).await {
            Err(error) if error.is::<PortInUse>() && attempts < ATTEMPTS => {}
            started => return Ok((started?, port)),
        }
    }
}

/// Where something on a port of this machine is reached.
pub fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// The address of a database on a server.
pub fn url(bench: &Bench, server: usize, database: &str) -> String {
    let forebay = bench.stack.postgres_url(server);
    let server = forebay.rsplit_once('/').map_or("", |(server, _)| server);
    format!("{server}/{database}")
}

/// Copies a template for each shard, and gives where each copy is.
///
/// # Errors
/// What `psql` says.
pub async fn databases(bench: &Bench, name: &str, template: &str, shards: usize) -> Result<Vec<(usize, String)>> {
    let databases: Vec<_> = (0..shards).map(|shard| (shard % SERVERS, format!("{name}_{shard}"))).collect();
    on_each(bench, &databases, |database| format!("create database {database} template {template}")).await?;
    Ok(databases)
}

/// Deletes databases, whoever is still connected to them.
///
/// # Errors
/// What `psql` says.
pub async fn drop_databases(bench: &Bench, databases: &[(usize, String)]) -> Result<()> {
    on_each(bench, databases, |database| format!("drop database {database} with (force)")).await
}

/// Runs a statement for each database, on all servers at the same time.
async fn on_each(bench: &Bench, databases: &[(usize, String)], statement: impl Fn(&str) -> String) -> Result<()> {
    for of_each_server in databases.chunks(SERVERS) {
        let statements: Vec<_> = of_each_server.iter().map(|(server, name)| (*server, statement(name))).collect();
        let running = statements.iter().map(|(server, statement)| bench.stack.sql(*server, statement));
        futures::future::try_join_all(running).await?;
    }
    Ok(())
}

async fn delete_streams(bench: &Bench, prefix: &str) -> Result<()> {
    let client = async_nats::connect(bench.stack.nats_url()).await?;
    let jetstream = jetstream::new(client);
    let names: Vec<String> = jetstream.stream_names().try_collect().await?;
    let (own, bucket) = (format!("{prefix}-"), format!("KV_{prefix}-"));
    for name in names.iter().filter(|name| name.starts_with(&own) || name.starts_with(&bucket)) {
        jetstream.delete_stream(name).await?;
    }
    Ok(())
}

/// Makes databases with every partition that these orders, one a day, need: the writer makes them, and then the rows go.
pub(crate) async fn template(bench: &mut Bench, recipe: Recipe) -> Result<String> {
    let name = format!("{}_template", bench.new_name());
    for server in 0..SERVERS {
        bench.stack.sql(server, &format!("create database {name} template template0")).await?;
    }
    let path = bench.path(&format!("{name}.ndjson"));
    // Every shard needs every day's partition, so an order a day is sent for each of several customers.
    let dataset = Dataset::make(Recipe { orders: recipe.orders * 40, customers: 1000, ..recipe }, path)?;
    let plan =
        Plan { template: name.clone(), shards: SERVERS, settings: vec![("FOREBAY_VIEWS", recipe.views().to_owned())] };
    let world = World::start(bench, &plan).await?;
    world.replay(bench, &dataset.file).await?;
    Progress::connect(&world.urls).await?.wait_for(dataset.rows).await?;
    let emptied = "truncate orders, order_time, order_index, order_views, lane_position";
    for (server, database) in &world.databases {
        let partitions = partitions(&url(bench, *server, database)).await?;
        ensure!(partitions >= i64::from(recipe.days), "a shard has {partitions} partitions for {} days", recipe.days);
    }
    let copies = world.databases.clone();
    world.stop_and_keep_databases(bench).await?;
    for (server, database) in copies {
        crate::progress::execute(&url(bench, server, &database), emptied).await?;
        let renamed = format!("alter database {database} rename to {name}");
        bench.stack.sql(server, &format!("drop database {name}")).await?;
        bench.stack.sql(server, &renamed).await?;
    }
    Ok(name)
}

impl World {
    async fn stop_and_keep_databases(mut self, bench: &Bench) -> Result<()> {
        self.databases.clear();
        self.end(bench).await
    }
}

async fn partitions(url: &str) -> Result<i64> {
    crate::progress::number(url, "select count(*) from pg_inherits where inhparent = 'orders'::regclass").await
}
