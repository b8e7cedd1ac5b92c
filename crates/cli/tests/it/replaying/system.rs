//! A whole system in this process, that is replayed into.

use clap::Parser;
use forebay_log::LogSettings;
use forebay_testkit::command::Finished;
use forebay_testkit::service::Served;

use crate::forebay::Forebay;
use crate::operating::operated::Operated;

/// A whole system, and a directory to replay from.
pub(crate) struct System {
    pub(crate) operated: Operated,
    pub(crate) forebay: Forebay,
    pub(crate) ingest: Served,
    pub(crate) query: Served,
}

impl System {
    pub(crate) async fn new(name: &str) -> Self {
        let operated = Operated::new(name, 2).await;
        let LogSettings { url, name, .. } = operated.log.settings();
        let fixed = ["forebay-ingest", "--nats", url, "--log-prefix", name.as_str()];
        let settings = forebay_ingest::Settings::try_parse_from(fixed).unwrap();
        let start = |service: &_| forebay_ingest::start(&settings, service).unwrap();
        let ingest = Served::start(&settings.service, start).await;
        let query = start_query(&operated, None).await;
        ingest.ready_without(&[]).await;
        query.ready_without(&[]).await;
        Self { operated, forebay: Forebay::new(), ingest, query }
    }

    pub(crate) fn arguments(&self, further: &[&str]) -> Vec<String> {
        let (to, query) = (self.ingest.url(""), self.query.url(""));
        let fixed = ["replay", "--json", "--to", &to, "--query", &query];
        fixed.iter().chain(further).map(|&argument| argument.to_owned()).collect()
    }

    pub(crate) async fn replay(&self, further: &[&str]) -> Finished {
        let arguments = self.arguments(further);
        self.forebay.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    pub(crate) fn start(&self, further: &[&str]) -> tokio::process::Child {
        let arguments = self.arguments(further);
        self.forebay.start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// A query service, at an address where one was before.
pub(crate) async fn start_query(operated: &Operated, before: Option<std::net::SocketAddr>) -> Served {
    let LogSettings { url, name, .. } = operated.log.settings();
    let shards = operated.shards.urls.join(",");
    let fixed = ["forebay-query", "--nats", url, "--log-prefix", name.as_str(), "--shards", &shards, "--redis", "none"];
    let settings = forebay_query::Settings::try_parse_from(fixed).unwrap();
    let start = |service: &_| forebay_query::start(&settings, service).unwrap();
    let address = before.unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
    Served::start_at(address, &settings.service, start).await
}
