//! Servers and services on free ports, in a directory that goes with them.

pub mod links;
pub mod settled;

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use forebay_model::{Hash, ShardMap};
use forebay_stack::{Durability, Process, ServiceName, Stack};
use forebay_testkit::command::{Finished, forebay};
use forebay_testkit::proxy::port_of;
use serde_json::Value;

use links::Links;

use crate::patient::{DEADLINE, answer_of};

/// How often it is looked at the log.
const POLL: Duration = Duration::from_millis(50);

/// A whole Forebay. Dropping it kills what is left of it.
pub struct System {
    services: Vec<(ServiceName, Process, u16)>,
    http: reqwest::Client,
    links: Option<Links>,
    /// The replica that has taken a shard's place, and which shard that is.
    promoted: Option<(usize, usize)>,
    /// Its servers.
    pub stack: Stack,
}

impl System {
    /// Starts that many shards, the log, the cache and the three services; `settings` are environment variables of all
    /// services.
    ///
    /// # Errors
    /// What did not start, with the end of its log.
    pub async fn start(shards: usize, durability: Durability, settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_on(Stack::temporary(shards, durability).await?, None, settings).await
    }

    /// The same, on servers that run.
    ///
    /// # Errors
    /// As [`System::start`].
    pub async fn start_with(stack: Stack, settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_on(stack, None, settings).await
    }

    /// The same, with a proxy on every way from a service to a server.
    ///
    /// # Errors
    /// As [`System::start`].
    pub async fn start_linked(shards: usize, durability: Durability, settings: &[(&str, &str)]) -> Result<Self> {
        let stack = Stack::temporary(shards, durability).await?;
        let links = Links::of(&stack).await?;
        Self::start_on(stack, Some(links), settings).await
    }

    /// The same, and that shard has a replica.
    ///
    /// # Errors
    /// As [`System::start`].
    pub async fn start_replicated(
        shards: usize,
        durability: Durability,
        settings: &[(&str, &str)],
        shard: usize,
    ) -> Result<Self> {
        let mut stack = Stack::temporary(shards, durability).await?;
        stack.add_replica(shard).await?;
        let mut links = Links::of(&stack).await?;
        links.add_replica(shard, port_of(&stack.replica_url(0))).await?;
        Self::start_on(stack, Some(links), settings).await
    }

    async fn start_on(stack: Stack, links: Option<Links>, settings: &[(&str, &str)]) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(DEADLINE).build()?;
        let mut system = Self { services: Vec::new(), http, links, promoted: None, stack };
        for name in ServiceName::STARTING {
            let (process, port) = system.start_service(name, settings).await?;
            system.services.push((name, process, port));
        }
        Ok(system)
    }

    async fn start_service(&self, name: ServiceName, settings: &[(&str, &str)]) -> Result<(Process, u16)> {
        self.stack.start_service(name, &self.settings(name, settings)).await
    }

    /// What a service is told beyond the servers' own addresses.
    fn settings(&self, name: ServiceName, settings: &[(&str, &str)]) -> Vec<(String, String)> {
        let links = self.links.iter().flat_map(|links| links.env(name));
        links.chain(settings.iter().map(|&(variable, value)| (variable.to_owned(), value.to_owned()))).collect()
    }

    /// Starts a second process of a service beside the first, with the same settings, and gives its address.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start_another(&mut self, service: ServiceName, settings: &[(&str, &str)]) -> Result<String> {
        let (process, port) = self.start_service(service, settings).await?;
        self.services.push((service, process, port));
        Ok(format!("http://127.0.0.1:{port}"))
    }

    /// A service's process, for kills and stops; the first where there are several.
    ///
    /// # Panics
    /// Never: every service is there once the system has started.
    pub fn process(&self, service: ServiceName) -> &Process {
        &self.services.iter().find(|(other, ..)| *other == service).expect("every service was started").1
    }

    /// Starts a service anew, at the same address and with these settings; what is left of the old one is killed.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn replace(&mut self, service: ServiceName, settings: &[(&str, &str)]) -> Result<()> {
        self.process(service).kill().await;
        let port = self.port(service);
        let listen = ([127, 0, 0, 1], port).into();
        let process = Process::start(self.stack.service(service, listen, self.settings(service, settings))?).await?;
        self.services.retain(|(other, ..)| *other != service);
        self.services.push((service, process, port));
        Ok(())
    }

    /// The proxies between services and servers.
    ///
    /// # Panics
    /// Where the system was started without them.
    pub fn links(&self) -> &Links {
        self.links.as_ref().expect("the system was started with links")
    }

    /// The map that it begins with, where customers are routed by MD5.
    ///
    /// # Panics
    /// Never: a system has a few shards.
    pub fn map(&self) -> ShardMap {
        let shards = u16::try_from(self.stack.postgres_count()).ok().and_then(NonZeroU16::new);
        ShardMap::even(shards.expect("a system has a few shards"), Hash::Md5)
    }

    /// The map as the log has it now.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub async fn stored_map(&self) -> Result<ShardMap> {
        let client = async_nats::connect(self.stack.nats_url()).await.context("cannot reach NATS")?;
        let store = async_nats::jetstream::new(client).get_key_value("forebay-map").await?;
        let stored = store.get("map").await?.context("there is no shard map")?;
        Ok(serde_json::from_slice(&stored)?)
    }

    /// The port that a service listens on.
    pub fn port(&self, service: ServiceName) -> u16 {
        self.services.iter().find(|(other, ..)| *other == service).map_or(0, |(.., port)| *port)
    }

    /// The address of every process of a service.
    pub fn urls(&self, service: ServiceName) -> Vec<String> {
        let ports = self.services.iter().filter(|(other, ..)| *other == service).map(|(.., port)| *port);
        ports.map(|port| format!("http://127.0.0.1:{port}")).collect()
    }

    /// Every process of a service, in the order in which they were started.
    pub fn processes(&self, service: ServiceName) -> Vec<Process> {
        self.services.iter().filter(|(other, ..)| *other == service).map(|(_, process, _)| process.clone()).collect()
    }

    /// The address of a path of a service.
    pub fn url(&self, service: ServiceName, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port(service))
    }

    /// Runs `forebay` against this system.
    ///
    /// # Errors
    /// Where it cannot be run.
    pub async fn forebay(&self, arguments: &[&str], input: &[u8]) -> Result<Finished> {
        let mut environment = self.stack.env();
        environment.push((String::from("FOREBAY_INGEST"), self.url(ServiceName::Ingest, "")));
        forebay(arguments, &environment, input).await
    }

    /// Replays orders through the batch endpoint; the answer is the summary.
    ///
    /// # Errors
    /// Where something was not delivered.
    pub async fn replay(&self, arguments: &[&str], input: &[u8]) -> Result<Value> {
        let to = self.url(ServiceName::Ingest, "");
        let fixed = ["replay", "--json", "--no-wait", "--to", &to];
        self.forebay(&[&fixed, arguments].concat(), input).await?.ok()?.json()
    }

    /// Sends an order, as often as it takes, and gives the answer's status and body.
    ///
    /// # Errors
    /// As [`answer_of`].
    pub async fn post(&self, order: &Value) -> Result<(u16, Value)> {
        self.post_to("/v1/orders", order).await
    }

    /// Sends JSON to the ingest service, as often as it takes, and gives the answer's status and body.
    ///
    /// # Errors
    /// As [`answer_of`].
    pub async fn post_to(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let request = self.http.post(self.url(ServiceName::Ingest, path)).header("content-type", "application/json");
        let answer = answer_of(request.body(body.to_string())).await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// Asks the query service, as often as it takes, and gives the answer's status and body.
    ///
    /// # Errors
    /// As [`answer_of`].
    pub async fn get(&self, path: &str) -> Result<(u16, Value)> {
        let answer = answer_of(self.http.get(self.url(ServiceName::Query, path))).await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// Asks a service once and gives the answer's status and body.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn ask(&self, service: ServiceName, path: &str) -> Result<(u16, Value)> {
        self.ask_at(&self.url(service, path)).await
    }

    /// Asks an address once and gives the answer's status and body.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn ask_at(&self, url: &str) -> Result<(u16, Value)> {
        let answer = self.http.get(url).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// Asks the query service for a list as a whole, in a form, and reads it to its end.
    ///
    /// # Errors
    /// Where there is no answer, or a torn one, or one of another status than 200.
    pub async fn export(&self, path: &str, form: &str) -> Result<Vec<u8>> {
        Ok(self.begin_export(path, form).await?.bytes().await?.to_vec())
    }

    /// Asks the query service for a list as a whole, to be read by the caller.
    ///
    /// # Errors
    /// Where there is no answer, or one of another status than 200.
    pub async fn begin_export(&self, path: &str, form: &str) -> Result<reqwest::Response> {
        let request = self.http.get(self.url(ServiceName::Query, path)).header("accept", form);
        Ok(request.send().await?.error_for_status()?)
    }

    /// Asks a service and gives the answer as text.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn text(&self, service: ServiceName, path: &str) -> Result<String> {
        self.text_at(&self.url(service, path)).await
    }

    /// Asks an address and gives the answer as text.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn text_at(&self, url: &str) -> Result<String> {
        Ok(self.http.get(url).send().await?.text().await?)
    }

    /// What a service takes for the present, in seconds since 1970.
    ///
    /// # Errors
    /// Where it does not answer, or without saying so.
    pub async fn clock(&self, service: ServiceName) -> Result<i64> {
        let answer = self.http.get(self.url(service, "/livez")).send().await?;
        let date = answer.headers().get("date").context("the answer has no date")?.to_str()?;
        Ok(jiff::fmt::rfc2822::parse(date)?.timestamp().as_second())
    }

    /// From now on that replica is the server of that shard.
    pub fn takes_the_place_of(&mut self, replica: usize, shard: usize) {
        self.promoted = Some((replica, shard));
    }

    /// Runs one statement on the server that has a shard's place.
    ///
    /// # Errors
    /// What `psql` says.
    pub async fn sql(&self, shard: usize, statement: &str) -> Result<String> {
        match self.promoted {
            Some((replica, place)) if place == shard => self.stack.replica_sql(replica, statement).await,
            _ => self.stack.sql(shard, statement).await,
        }
    }

    /// Runs one statement on every shard and adds up the numbers that they answer.
    ///
    /// # Errors
    /// What `psql` says.
    pub async fn sum(&self, statement: &str) -> Result<i64> {
        let mut sum = 0;
        for shard in 0..self.stack.postgres_count() {
            let answer = self.sql(shard, statement).await?;
            sum += answer.trim().parse::<i64>().with_context(|| format!("not a number: {answer}"))?;
        }
        Ok(sum)
    }

    /// Waits until the shards hold that many orders.
    ///
    /// # Errors
    /// Where they hold more, or still hold less at the deadline.
    pub async fn wait_for_orders(&self, orders: i64) -> Result<()> {
        self.wait_for("select count(*) from orders", orders).await
    }

    /// Waits until the sum of a statement's answers over the shards has grown to that number.
    ///
    /// # Errors
    /// Where it is larger, or still smaller at the deadline, or cannot be asked for then: a shard may be down.
    pub async fn wait_for(&self, statement: &str, expected: i64) -> Result<()> {
        let begin = Instant::now();
        loop {
            let found = match self.sum(statement).await {
                Err(error) if begin.elapsed() > DEADLINE => return Err(error),
                found => found.unwrap_or(0),
            };
            ensure!(found <= expected, "`{statement}` gives {found}, more than {expected}");
            if found == expected {
                return Ok(());
            }
            if begin.elapsed() > DEADLINE {
                bail!("`{statement}` gives {found} instead of {expected} after {DEADLINE:?}");
            }
        }
    }

    /// Stops everything in order: services first, then servers.
    ///
    /// # Errors
    /// Where a service did not exit with 0.
    pub async fn stop(&self) -> Result<()> {
        for stopping in ServiceName::STOPPING {
            for (service, process, _) in self.services.iter().filter(|(service, ..)| *service == stopping) {
                let status = process.stop().await;
                ensure!(status.is_none_or(|status| status.success()), "{service:?} ended with {status:?}");
            }
        }
        self.stack.stop().await;
        Ok(())
    }
}
