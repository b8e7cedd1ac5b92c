//! `forebay serve`: several services as one process, in one runtime, on one address.
//!
//! Each is what it is as a process of its own, with its own connections and tasks. What they share is the runtime, the address and the end: when
//! it is told to stop, `/readyz` says so, ingest takes nothing more and settles what it has, the writer goes on until that is stored, and then
//! the address is given up once every read is answered.

use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use forebay_api::Role;
use forebay_log::LogArgs;
use forebay_service::lifecycle::Outcome;
use forebay_service::{Routes, Service, ServiceSettings, Shutdown, http};
use forebay_shard::ShardArgs;
use forebay_writer::Backlog;
use tokio::time::timeout;

/// Run all of Forebay as one process, on one address.
///
/// Told to stop, it ends in the order in which nothing has to be done again: it takes nothing more, stores what it has accepted for up to
/// half of its grace, and answers every read that was begun.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address to listen on
    #[arg(long, env = "FOREBAY_LISTEN", default_value = Role::Ingest.listen_default())]
    listen: SocketAddr,

    /// What it does, separated by commas
    #[arg(long, env = "FOREBAY_ROLES", default_value = "ingest,writer,query", value_delimiter = ',')]
    roles: Vec<Role>,

    /// The log that it uses.
    #[command(flatten)]
    log: LogArgs,

    /// The shards that it uses.
    #[command(flatten)]
    shards: ShardArgs,

    /// What ingest is told.
    #[command(flatten)]
    ingest: forebay_ingest::IngestOptions,

    /// What the writer is told.
    #[command(flatten)]
    writer: forebay_writer::WriterOptions,

    /// What query is told.
    #[command(flatten)]
    query: forebay_query::QueryOptions,

    /// What every service has.
    #[command(flatten)]
    service: ServiceSettings,
}

/// Runs it until it is told to stop, or cannot go on.
pub fn run(args: &Args) -> ExitCode {
    forebay_service::run("forebay-serve", &args.service, async |service| {
        let listener = http::bind(args.listen).await?;
        let (parts, routes) = args.start(&service)?;
        parts.front.serve(listener, routes);
        parts.stop_with(&service);
        Ok(())
    })
}

/// The services of the process, and what stands in front of them.
struct Parts {
    ingest: Option<Service>,
    writer: Option<(Service, Backlog)>,
    query: Option<Service>,
    /// Has the address.
    front: Service,
}

impl Args {
    fn start(&self, service: &Service) -> anyhow::Result<(Parts, Routes)> {
        let part = |role| self.roles.contains(&role).then(|| service.part_of(role));
        let mut parts = Parts { ingest: None, writer: None, query: None, front: service.part() };
        let mut routes = Routes::of(&service.clients);
        if let Some(writer) = part(Role::Writer) {
            let (own, backlog) = forebay_writer::start_with_backlog(&self.writer_settings(), &writer)?;
            routes = routes.merge(own);
            parts.writer = Some((writer, backlog));
        }
        if let Some(ingest) = part(Role::Ingest) {
            routes =
                routes.merge(forebay_ingest::start(&self.ingest_settings(), &ingest)?.awaited_by(&ingest.lifecycle));
            parts.ingest = Some(ingest);
        }
        if let Some(query) = part(Role::Query) {
            routes = routes.merge(forebay_query::start(&self.query_settings(), &query)?);
            parts.query = Some(query);
        }
        Ok((parts, routes))
    }

    fn ingest_settings(&self) -> forebay_ingest::Settings {
        let Self { listen, log, ingest: options, service, .. } = self.clone();
        forebay_ingest::Settings { listen, log, options, service }
    }

    fn writer_settings(&self) -> forebay_writer::Settings {
        let Self { listen, log, shards, writer: options, service, .. } = self.clone();
        forebay_writer::Settings { listen, log, shards, options, service }
    }

    fn query_settings(&self) -> forebay_query::Settings {
        let Self { listen, log, shards, query: options, service, .. } = self.clone();
        forebay_query::Settings { listen, log, shards, options, service }
    }
}

impl Parts {
    /// Sees to it that all of them stop when the whole does, and the whole when one of them cannot go on.
    fn stop_with(self, whole: &Service) {
        for (name, part) in self.all() {
            let (stopping, all) = (part.shutdown().soft().clone(), whole.shutdown().clone());
            whole.lifecycle.spawn(format!("{name} stops"), async move {
                stopping.cancelled().await;
                all.start();
                Ok(())
            });
        }
        let (shutdown, grace) = (whole.shutdown().clone(), whole.lifecycle.grace());
        whole.lifecycle.spawn("all stop", async move {
            shutdown.soft().cancelled().await;
            self.stop(&shutdown, grace).await
        });
    }

    fn all(&self) -> impl Iterator<Item = (&'static str, &Service)> {
        let writer = self.writer.as_ref().map(|(writer, _)| writer);
        let parts = [("ingest", self.ingest.as_ref()), ("writer", writer), ("query", self.query.as_ref())];
        parts.into_iter().chain([("front", Some(&self.front))]).filter_map(|(name, part)| Some((name, part?)))
    }

    /// Stops them in order, or at once where there is no more time.
    async fn stop(&self, whole: &Shutdown, grace: Duration) -> anyhow::Result<()> {
        let mut stopping = pin!(self.stop_in_order(grace / 2));
        tokio::select! {
            stopped = stopping.as_mut() => stopped,
            () = whole.hard().cancelled() => {
                self.all().for_each(|(_, part)| part.shutdown().force());
                stopping.await
            }
        }
    }

    /// First what takes orders in, then, after that long at the latest, what stores them, then what answers questions.
    async fn stop_in_order(&self, storing_max: Duration) -> anyhow::Result<()> {
        let mut ends = Vec::new();
        if let Some(ingest) = &self.ingest {
            ends.push(end("ingest", ingest).await);
        }
        if let Some((writer, backlog)) = &self.writer {
            // What is not stored then is in the log, and the next start goes on with it.
            let gave_up = writer.shutdown().soft().cancelled();
            tokio::select! {
                _ = timeout(storing_max, backlog.stored()) => {}
                () = gave_up => {}
            }
            ends.push(end("writer", writer).await);
        }
        ends.push(end("front", &self.front).await);
        if let Some(query) = &self.query {
            ends.push(end("query", query).await);
        }
        ends.into_iter().collect()
    }
}

/// Stops a part, and says how it ended.
async fn end(name: &str, part: &Service) -> anyhow::Result<()> {
    part.shutdown().start();
    let outcome = part.lifecycle.clone().run().await;
    match (part.lifecycle.bad_setting(), outcome) {
        (Some(bad), _) => Err(bad.into()),
        (None, Outcome::Drained) => Ok(()),
        (None, Outcome::Failed) => bail!("{name} has failed"),
        (None, Outcome::Cut) => bail!("{name} was cut off"),
    }
}
