//! A world: empty databases and streams, and services on them. Each measurement that stores orders has its own.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use async_nats::jetstream;
use forebay_log::{Log, LogSettings};
use forebay_stack::{Managed, Process, Program, Ready, ServiceName, on_free_ports, program};
use forebay_testkit::command::{Finished, forebay};
use futures::TryStreamExt;
use serde_json::Value;

use crate::dataset::{Dataset, Recipe};
use crate::progress::{Progress, Until};
use crate::servers::{SERVERS, Servers};

/// What a world is to be like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The databases that it copies.
    pub template: String,
    /// How many shards it has; they are dealt out to the servers.
    pub shards: usize,
    /// Settings of all services.
    pub settings: Vec<(&'static str, String)>,
    /// Whether its services are one process, `forebay serve`.
    pub is_one_process: bool,
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
    /// What it is; one process may be all of them.
    names: &'static [ServiceName],
    port: u16,
    process: Process,
}

impl Plan {
    /// A world for orders of that recipe, with a shard on each server, made from these databases.
    pub fn new(template: String, recipe: Recipe) -> Self {
        let settings = vec![("FOREBAY_VIEWS", recipe.views().to_owned())];
        Self { template, shards: SERVERS, settings, is_one_process: false }
    }

    /// With all services in one process.
    #[must_use]
    pub fn in_one_process(mut self) -> Self {
        self.is_one_process = true;
        self
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
    pub async fn start(servers: &Servers, plan: &Plan) -> Result<Self> {
        let name = servers.new_name();
        let databases = databases(servers, &name, &plan.template, plan.shards).await?;
        let mut world = Self {
            urls: databases.iter().map(|(server, database)| url(servers, *server, database)).collect(),
            settings: Vec::new(),
            services: Vec::new(),
            name,
            databases,
        };
        world.settings = world.environment(plan);
        if plan.is_one_process {
            world.start_all_in_one(servers).await.context("forebay serve did not start")?;
        } else {
            for service in ServiceName::STARTING {
                let started = world.start_service(servers, service).await;
                started.with_context(|| format!("{} did not start", service.as_str()))?;
            }
        }
        Progress::connect(&world.urls).await?.wait_until_begun().await?;
        servers.settle().await?;
        Ok(world)
    }

    fn environment(&self, plan: &Plan) -> Vec<(String, String)> {
        let mut environment = vec![
            ("FOREBAY_SHARDS".to_owned(), self.urls.join(",")),
            ("FOREBAY_LOG_PREFIX".to_owned(), self.name.clone()),
            // The limits have the same partitions from their beginning to their end.
            ("FOREBAY_MERGE_IDLE_S".to_owned(), "0".to_owned()),
            ("FOREBAY_LOG_LEVEL".to_owned(), "warn".to_owned()),
        ];
        environment.extend(plan.settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        environment
    }

    async fn start_service(&mut self, servers: &Servers, name: ServiceName) -> Result<()> {
        let (process, port) = servers.stack.start_service(name, &self.settings).await?;
        let names = match name {
            ServiceName::Ingest => &[ServiceName::Ingest],
            ServiceName::Writer => &[ServiceName::Writer],
            ServiceName::Query => &[ServiceName::Query],
        };
        self.services.push(Service { names, port, process });
        Ok(())
    }

    async fn start_all_in_one(&mut self, servers: &Servers) -> Result<()> {
        let start = async |ports: Vec<u16>| {
            let listen = format!("127.0.0.1:{}", ports[0]);
            let serve = Program::new(program("forebay")?).arg("serve").env("FOREBAY_LISTEN", listen);
            let environment = servers.stack.env().into_iter().chain(self.settings.iter().cloned());
            let serve = environment.fold(serve, |serve, (name, value)| serve.env(name, value));
            let ready = Ready::http(ports[0], "/readyz");
            let managed = Managed::new("serve", serve, servers.stack.log("serve"), ready).on_port(ports[0]);
            Ok((Process::start(managed).await?, ports[0]))
        };
        let (process, port) = on_free_ports(1, start).await?;
        self.services.push(Service { names: &ServiceName::STOPPING, port, process });
        Ok(())
    }

    /// Stops a service in order.
    pub async fn stop_service(&mut self, name: ServiceName) {
        for service in self.services.iter().filter(|service| service.names == [name]) {
            service.process.stop().await;
        }
        self.services.retain(|service| service.names != [name]);
    }

    /// Starts a service that was stopped, or the same once more, with further settings. The last one that was started is
    /// the one that is asked.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn add_service(&mut self, servers: &Servers, name: ServiceName, settings: &[(&str, &str)]) -> Result<()> {
        let before = self.settings.clone();
        self.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let started = self.start_service(servers, name).await;
        self.settings = before;
        started
    }

    /// Stops the service of that name that was started last.
    pub async fn stop_last(&mut self, name: ServiceName) {
        if let Some(place) = self.services.iter().rposition(|service| service.names == [name]) {
            self.services.remove(place).process.stop().await;
        }
    }

    /// The port of a service: of the last one that was started.
    ///
    /// # Panics
    /// Where it was stopped.
    pub fn port(&self, name: ServiceName) -> u16 {
        let found = self.services.iter().rfind(|service| service.names.contains(&name));
        found.expect("the service was not stopped").port
    }

    /// Every process that runs, and what it is first of all.
    pub fn processes(&self) -> impl Iterator<Item = (ServiceName, &Process)> {
        self.services.iter().map(|service| (service.names[0], &service.process))
    }

    /// Replays a file through the batch endpoint.
    ///
    /// # Errors
    /// Where an order was not accepted.
    pub async fn replay(&self, servers: &Servers, file: &Path) -> Result<Finished> {
        self.replay_as(servers, file, &[]).await
    }

    /// Replays a file of events through theirs.
    ///
    /// # Errors
    /// Where an event was not accepted.
    pub async fn replay_events(&self, servers: &Servers, file: &Path) -> Result<Finished> {
        self.replay_as(servers, file, &["--events"]).await
    }

    async fn replay_as(&self, servers: &Servers, file: &Path, what: &[&str]) -> Result<Finished> {
        let (state, rejects) = (servers.path("state"), servers.path("rejects"));
        let to = format!("http://127.0.0.1:{}", self.port(ServiceName::Ingest));
        let paths = [&state, &rejects, file].map(|path| path.display().to_string());
        let [state, rejects, file] = paths.each_ref().map(String::as_str);
        let arguments =
            ["replay", "--json", "--no-wait", "--to", &to, "--state-dir", state, "--rejects", rejects, file];
        forebay(&[&arguments, what].concat(), &[], b"").await?.ok()
    }

    /// The log of this system.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn log(&self, servers: &Servers) -> Result<Log> {
        Ok(Log::connect(LogSettings::new(servers.stack.nats_url(), self.name.parse()?)).await?)
    }

    /// Runs a command on this system, which prints JSON.
    ///
    /// # Errors
    /// Where it does not end well.
    pub async fn command(&self, servers: &Servers, arguments: &[&str]) -> Result<Value> {
        let mut environment = servers.stack.env();
        environment.extend(self.settings.iter().cloned());
        forebay(&[arguments, &["--json"]].concat(), &environment, b"").await?.ok()?.json()
    }

    /// Stops the services, and deletes streams and databases.
    ///
    /// # Errors
    /// What is left.
    pub async fn end(self, servers: &Servers) -> Result<()> {
        for name in ServiceName::STOPPING {
            for service in self.services.iter().filter(|service| service.names[0] == name) {
                let status = service.process.stop().await;
                ensure!(status.is_some_and(|status| status.success()), "{name:?} ended with {status:?}");
            }
        }
        delete_streams(servers, &self.name).await?;
        drop_databases(servers, &self.databases).await?;
        Ok(())
    }
}

/// The address of a database on a server.
pub fn url(servers: &Servers, server: usize, database: &str) -> String {
    let forebay = servers.stack.postgres_url(server);
    let server = forebay.rsplit_once('/').map_or("", |(server, _)| server);
    format!("{server}/{database}")
}

/// Copies a template for each shard, and gives where each copy is.
///
/// # Errors
/// What `psql` says.
pub async fn databases(servers: &Servers, name: &str, template: &str, shards: usize) -> Result<Vec<(usize, String)>> {
    let databases: Vec<_> = (0..shards).map(|shard| (shard % SERVERS, format!("{name}_{shard}"))).collect();
    on_each(servers, &databases, |database| format!("create database {database} template {template}")).await?;
    Ok(databases)
}

/// Deletes databases, even while processes are connected to them.
///
/// # Errors
/// What `psql` says.
pub async fn drop_databases(servers: &Servers, databases: &[(usize, String)]) -> Result<()> {
    on_each(servers, databases, |database| format!("drop database {database} with (force)")).await
}

/// Runs a statement for each database, on all servers at the same time.
async fn on_each(servers: &Servers, databases: &[(usize, String)], statement: impl Fn(&str) -> String) -> Result<()> {
    for of_each_server in databases.chunks(SERVERS) {
        let statements: Vec<_> = of_each_server.iter().map(|(server, name)| (*server, statement(name))).collect();
        let running = statements.iter().map(|(server, statement)| servers.stack.sql(*server, statement));
        futures::future::try_join_all(running).await?;
    }
    Ok(())
}

async fn delete_streams(servers: &Servers, prefix: &str) -> Result<()> {
    let client = async_nats::connect(servers.stack.nats_url()).await?;
    let jetstream = jetstream::new(client);
    let names: Vec<String> = jetstream.stream_names().try_collect().await?;
    let (own, bucket) = (format!("{prefix}-"), format!("KV_{prefix}-"));
    for name in names.iter().filter(|name| name.starts_with(&own) || name.starts_with(&bucket)) {
        jetstream.delete_stream(name).await?;
    }
    Ok(())
}

/// Makes databases with every partition that these orders, one a day, need: the writer makes them, and then the rows go.
pub(crate) async fn template(servers: &Servers, recipe: Recipe) -> Result<String> {
    let name = format!("{}_template", servers.new_name());
    for server in 0..SERVERS {
        servers.stack.sql(server, &format!("create database {name} template template0")).await?;
    }
    let path = servers.path(&format!("{name}.ndjson"));
    // Every shard needs every day's partition, so an order a day is sent for each of several customers.
    let dataset = Dataset::make(Recipe { orders: recipe.orders * 40, customers: 1000, ..recipe }, path)?;
    let plan = Plan::new(name.clone(), recipe);
    let world = World::start(servers, &plan).await?;
    world.replay(servers, &dataset.file).await?;
    Progress::connect(&world.urls).await?.wait_for(Until::Stored(dataset.rows)).await?;
    // All that there is goes, but for what the tables are, and the record of operators, which is only ever added to. Rows that a limit puts in have a place, as the writer's have.
    let emptied = "do $$ begin execute (select 'truncate ' || string_agg(oid::regclass::text, ', ') from pg_class \
            where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition \
            and relname not in ('_sqlx_migrations', 'audit')); \
        end $$; \
        alter table orders alter column place_log set default 1, alter column place_seq set default 1";
    for (server, database) in &world.databases {
        let partitions = partitions(&url(servers, *server, database)).await?;
        ensure!(partitions >= i64::from(recipe.days), "a shard has {partitions} partitions for {} days", recipe.days);
    }
    let copies = world.databases.clone();
    world.stop_and_keep_databases(servers).await?;
    for (server, database) in copies {
        crate::progress::execute(&url(servers, server, &database), emptied).await?;
        let renamed = format!("alter database {database} rename to {name}");
        servers.stack.sql(server, &format!("drop database {name}")).await?;
        servers.stack.sql(server, &renamed).await?;
    }
    Ok(name)
}

impl World {
    async fn stop_and_keep_databases(mut self, servers: &Servers) -> Result<()> {
        self.databases.clear();
        self.end(servers).await
    }
}

async fn partitions(url: &str) -> Result<i64> {
    crate::progress::number(url, "select count(*) from pg_inherits where inhparent = 'orders'::regclass").await
}
