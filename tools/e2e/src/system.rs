//! Servers and services on free ports, in a directory that goes with them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use forebay_stack::{Durability, Managed, PortInUse, Process, Program, Ready, Stack, free_ports};
use serde_json::Value;

use crate::command::{Run, forebay, program};
use crate::links::Links;

/// How long anything may take that is waited for.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// One of the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// HTTP to log.
    Ingest,
    /// Log to Postgres.
    Writer,
    /// Postgres to HTTP.
    Query,
}

impl Part {
    /// Every service, in the order in which they are stopped.
    pub const ALL: [Self; 3] = [Self::Ingest, Self::Writer, Self::Query];
}

/// A whole Forebay. Dropping it kills what is left of it.
pub struct System {
    services: Vec<(Part, Process, u16)>,
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
        let url = stack.replica_url(0);
        let port = url.rsplit(':').next().and_then(|rest| rest.split('/').next()).context("an address has a port")?;
        links.add_replica(shard, port.parse()?).await?;
        Self::start_on(stack, Some(links), settings).await
    }

    async fn start_on(stack: Stack, links: Option<Links>, settings: &[(&str, &str)]) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(DEADLINE).build()?;
        let mut system = Self { services: Vec::new(), http, links, promoted: None, stack };
        // The writer makes the shard map that the others need.
        for part in [Part::Writer, Part::Ingest, Part::Query] {
            let (process, port) = system.start_service(part, settings).await?;
            system.services.push((part, process, port));
        }
        Ok(system)
    }

    async fn start_service(&self, part: Part, settings: &[(&str, &str)]) -> Result<(Process, u16)> {
        let mut attempts = 0;
        loop {
            let port = free_ports(1)[0];
            attempts += 1;
            match Process::start(self.managed(part, port, settings)?).await {
                Err(error) if error.is::<PortInUse>() && attempts < 10 => {}
                started => return Ok((started?, port)),
            }
        }
    }

    fn managed(&self, part: Part, port: u16, settings: &[(&str, &str)]) -> Result<Managed> {
        let (name, listen) = match part {
            Part::Ingest => ("ingest", "FOREBAY_INGEST_LISTEN"),
            Part::Writer => ("writer", "FOREBAY_WRITER_LISTEN"),
            Part::Query => ("query", "FOREBAY_QUERY_LISTEN"),
        };
        let mut start = Program::new(program(&format!("forebay-{name}"))?).env(listen, format!("127.0.0.1:{port}"));
        for (variable, value) in self.stack.env() {
            start = start.env(variable, value);
        }
        for (variable, value) in self.links.iter().flat_map(|links| links.env(part)) {
            start = start.env(variable, value);
        }
        for (variable, value) in settings {
            start = start.env(variable, value);
        }
        Ok(Managed::new(name, start, self.stack.log(name), Ready::http(port, "/readyz")).on_port(port))
    }

    /// Starts a second process of a service beside the first, with the same settings, and gives its address.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start_another(&mut self, part: Part, settings: &[(&str, &str)]) -> Result<String> {
        let (process, port) = self.start_service(part, settings).await?;
        self.services.push((part, process, port));
        Ok(format!("http://127.0.0.1:{port}"))
    }

    /// A service's process, for kills and stops; the first where there are several.
    ///
    /// # Panics
    /// Never: every service is there once the system has started.
    pub fn process(&self, part: Part) -> &Process {
        &self.services.iter().find(|(other, ..)| *other == part).expect("every service was started").1
    }

    /// Starts a service anew, at the same address and with these settings; what is left of the old one is killed.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn replace(&mut self, part: Part, settings: &[(&str, &str)]) -> Result<()> {
        self.process(part).kill().await;
        let port = self.port(part);
        let process = Process::start(self.managed(part, port, settings)?).await?;
        self.services.retain(|(other, ..)| *other != part);
        self.services.push((part, process, port));
        Ok(())
    }

    /// The proxies between services and servers.
    ///
    /// # Panics
    /// Where the system was started without them.
    pub fn links(&self) -> &Links {
        self.links.as_ref().expect("the system was started with links")
    }

    /// The port that a service listens on.
    pub fn port(&self, part: Part) -> u16 {
        self.services.iter().find(|(other, ..)| *other == part).map_or(0, |(.., port)| *port)
    }

    /// The address of every process of a service.
    pub fn urls(&self, part: Part) -> Vec<String> {
        let ports = self.services.iter().filter(|(other, ..)| *other == part).map(|(.., port)| *port);
        ports.map(|port| format!("http://127.0.0.1:{port}")).collect()
    }

    /// Every process of a service, in the order in which they were started.
    pub fn processes(&self, part: Part) -> Vec<Process> {
        self.services.iter().filter(|(other, ..)| *other == part).map(|(_, process, _)| process.clone()).collect()
    }

    /// The address of a path of a service.
    pub fn url(&self, part: Part, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port(part))
    }

    /// Runs `forebay` against this system.
    ///
    /// # Errors
    /// Where it cannot be run.
    pub async fn forebay(&self, arguments: &[&str], input: &[u8]) -> Result<Run> {
        let mut environment = self.stack.env();
        environment.push((String::from("FOREBAY_INGEST"), self.url(Part::Ingest, "")));
        forebay(arguments, &environment, input).await
    }

    /// Replays orders through the batch endpoint; the answer is the summary.
    ///
    /// # Errors
    /// Where something was not delivered.
    pub async fn replay(&self, arguments: &[&str], input: &[u8]) -> Result<Value> {
        let to = self.url(Part::Ingest, "");
        let fixed = ["replay", "--json", "--to", &to];
        self.forebay(&[&fixed, arguments].concat(), input).await?.ok()?.json()
    }

    /// Sends an order and gives the answer's status and body.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn post(&self, order: &Value) -> Result<(u16, Value)> {
        let request = self.http.post(self.url(Part::Ingest, "/v1/orders")).header("content-type", "application/json");
        let answer = request.body(order.to_string()).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// Asks the query service and gives the answer's status and body.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn get(&self, path: &str) -> Result<(u16, Value)> {
        self.ask(Part::Query, path).await
    }

    /// Asks a service and gives the answer's status and body.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn ask(&self, part: Part, path: &str) -> Result<(u16, Value)> {
        self.ask_at(&self.url(part, path)).await
    }

    /// Asks an address and gives the answer's status and body.
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

    /// Asks the query service for a list as a whole, to be read by whoever asks.
    ///
    /// # Errors
    /// Where there is no answer, or one of another status than 200.
    pub async fn begin_export(&self, path: &str, form: &str) -> Result<reqwest::Response> {
        let request = self.http.get(self.url(Part::Query, path)).header("accept", form);
        Ok(request.send().await?.error_for_status()?)
    }

    /// Asks a service and gives the answer as text.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn text(&self, part: Part, path: &str) -> Result<String> {
        self.text_at(&self.url(part, path)).await
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
    pub async fn clock(&self, part: Part) -> Result<i64> {
        let answer = self.http.get(self.url(part, "/livez")).send().await?;
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
    /// Where it is larger, or still smaller at the deadline, or cannot be asked for then: the writer is ready before every shard
    /// has its tables.
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
        for stopping in Part::ALL {
            for (part, process, _) in self.services.iter().filter(|(part, ..)| *part == stopping) {
                let status = process.stop().await;
                ensure!(status.is_none_or(|status| status.success()), "{part:?} ended with {status:?}");
            }
        }
        self.stack.stop().await;
        Ok(())
    }
}
