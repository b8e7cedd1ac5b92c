//! A question about a list: answered from the cache, or from the shards that have the list.

use std::sync::Arc;

use axum::response::Response;
use forebay_model::{ShardId, ShardMap};
use forebay_service::Problem;
use forebay_shard::read::Subject;
use futures::future::BoxFuture;
use http::HeaderMap;

use crate::app::App;
use crate::cache::{CacheEntry, Question};
use crate::error::ReadError;
use crate::http::response;
use crate::list::scan::{Page, Scan};
use crate::position::patience::Patience;
use crate::reader::is_building;

/// Where a list is: shards, each with what to read there.
pub(crate) type Reads = Vec<(ShardId, Subject)>;

/// Where that is which is in sight of a list.
pub(crate) fn reads(map: &ShardMap, subject: Option<&Subject>) -> Reads {
    let on_shards = |subject: &Subject| subject.shards(map).into_iter().map(|shard| (shard, subject.clone())).collect();
    subject.map(on_shards).unwrap_or_default()
}

/// What is asked about a list.
#[derive(Debug)]
pub(crate) struct Listed {
    /// What tells the answer from other ones.
    pub(crate) key: Arc<str>,
    /// The list.
    pub(crate) scan: Scan,
    pub(crate) patience: Patience,
    pub(crate) headers: HeaderMap,
}

impl Listed {
    /// Answers with what the cache has, or with what `read` makes of what is in sight of the list, as late as it must be.
    pub(crate) async fn answer<'a>(
        &'a self,
        app: &'a App,
        map: &'a ShardMap,
        subject: Option<Subject>,
        read: impl Fn(Reads, Patience) -> BoxFuture<'a, Result<CacheEntry, ReadError>> + Sync,
    ) -> Result<Response, Problem> {
        let patience = app.patient(self.patience.clone())?;
        let reads = reads(map, subject.as_ref());
        let question = Question {
            key: Arc::clone(&self.key),
            streams: reads.iter().map(|(shard, subject)| subject.lane().on(*shard)).collect(),
            patience: &patience,
            has_moved: app.shards().moved().is_any(),
            partial: self.scan.partial,
        };
        let read = |patience| read(reads.clone(), self.with_floor(app, &reads, patience));
        let served = app.cache().serve(&question, &read).await?;
        let owed = response::owed(app.shards(), &question.streams, is_building(map, subject.as_ref()));
        response::json(&self.headers, &self.key, &served, owed, || Problem::internal("a list without a body"))
    }

    /// With that as the least, what this process knows to have touched the list.
    fn with_floor(&self, app: &App, reads: &[(ShardId, Subject)], patience: Patience) -> Patience {
        reads.iter().fold(patience, |patience, (shard, subject)| {
            let (stream, watch) = (subject.lane().on(*shard), self.scan.watch(subject, Page::default()));
            app.cache().with_floor(patience, &[stream], watch)
        })
    }
}
