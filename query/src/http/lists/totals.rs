//! What the orders of a list come to.

use axum::response::Response;
use forebay_api::{Route, Totals};
use forebay_model::{ShardId, ShardMap};
use forebay_service::Problem;
use forebay_shard::read::{Direction, Filter, Period, Scope, Statement, Subject, Summing};
use futures::FutureExt;
use futures::future::join_all;
use http::{HeaderMap, Uri};

use crate::app::App;
use crate::cache::{Entry, Watched};
use crate::error::ReadError;
use crate::http::lists::listed::{Listed, Reads};
use crate::http::request::query_string::QueryString;
use crate::life::worth_now;
use crate::list::merge::Merge;
use crate::list::scan::{Page, Scan};
use crate::position::patience::Patience;
use crate::position::read_at::ReadAt;
use crate::totals::Sums;

/// The most totals of one answer.
const TOTALS_MAX: usize = 20_000;
/// So many rows are wanted at a time, where they are looked at one by one.
const ROWS: usize = 2000;

/// Totals that are asked for.
#[derive(Debug)]
pub(crate) struct TotalsRequest {
    /// The list that they are of.
    listed: Listed,
    by: Option<Period>,
}

/// What was summed, and where it holds.
struct Summed {
    sums: Sums,
    read_at: ReadAt,
    watched: Vec<Watched>,
    missing: Vec<ShardId>,
    is_whole: bool,
}

impl TotalsRequest {
    /// What a request for totals of a list asks for. `names` are the list's kind and whatever it is of.
    pub(crate) fn parse(
        uri: &Uri,
        headers: HeaderMap,
        route: Route,
        scope: &Scope,
        names: &[&str],
    ) -> Result<Self, Problem> {
        let query = QueryString::read(uri, route)?;
        let (span, by, partial) = (query.span()?, query.by()?, query.partial()?);
        let direction = Direction::NewestFirst;
        let last = span.start(direction);
        let scan = Scan { tenant: scope.tenant().clone(), direction, filter: Filter::default(), span, last, partial };
        let (from, to, names) = (span.from.unix_us(), span.to.unix_us(), names.join("\n"));
        let key = format!("{scope}\ntotals\n{names}\n{from}\n{to}\n{}", by.map_or("", Period::as_str));
        let listed = Listed { key: key.into(), scan, patience: query.patience(&headers)?, headers };
        Ok(Self { listed, by })
    }

    /// Answers from what is in sight of the list.
    pub(crate) async fn answer(
        &self,
        app: &App,
        map: &ShardMap,
        subject: Option<Subject>,
    ) -> Result<Response, Problem> {
        let read = |reads, patience| self.read(app, map, reads, patience).boxed();
        self.listed.answer(app, map, subject, read).await
    }

    async fn read(&self, app: &App, map: &ShardMap, reads: Reads, patience: Patience) -> Result<Entry, ReadError> {
        // What two shards have both while its bucket moves must count once, which only the rows tell.
        let is_split = match reads.first() {
            Some((_, Subject::Everybody { .. })) => !map.moves().is_empty(),
            _ => reads.len() > 1,
        };
        let Summed { sums, read_at, watched, missing, is_whole } =
            if is_split { self.walk(app, reads, patience).await? } else { self.sum(app, &reads, &patience).await? };
        if sums.len() > TOTALS_MAX {
            let detail =
                format!("these are more than {TOTALS_MAX} totals: ask for a shorter time, or for longer periods");
            return Err(Problem::malformed(detail).into());
        }
        let is_empty = sums.len() == 0;
        let is_whole = is_whole && missing.is_empty();
        let totals = Totals { data: sums.into_totals(), shards_missing: missing };
        let body = serde_json::to_vec(&totals).map_err(|error| Problem::internal(error.to_string()))?;
        Ok(Entry { epoch: map.epoch(), body: Some(body.into()), is_empty, read_at, watched, is_whole })
    }

    /// Adds up what the shards sum.
    async fn sum(&self, app: &App, reads: &[(ShardId, Subject)], patience: &Patience) -> Result<Summed, ReadError> {
        let Scan { tenant, span, partial, .. } = &self.listed.scan;
        let asked = reads.iter().map(async |(shard, subject)| {
            let statement = Statement::sums(tenant, Summing { subject, span: *span, by: self.by });
            let answer = match app.shards().get(*shard) {
                Ok(known) => app.shards().read_after(&known, &statement, patience).await,
                Err(error) => Err(error.into()),
            };
            (subject, statement.stream().on(*shard), answer)
        });
        let mut summed = Summed::default();
        for (subject, stream, answer) in join_all(asked).await {
            match answer {
                Ok(after) => {
                    summed.read_at.note(stream, after.rows.position);
                    // Before the first commit there is no position to compare with.
                    summed.is_whole &= after.rows.position.is_some();
                    summed.watched.push(Watched { stream, watch: self.listed.scan.watch(subject, Page::default()) });
                    for sum in after.rows.sums {
                        summed.sums.add(sum);
                    }
                }
                Err(ReadError::Shard(error)) if error.is_outage() => {
                    error.log();
                    summed.missing.push(error.shard());
                }
                Err(error) => return Err(error),
            }
        }
        if summed.missing.is_empty() || *partial { Ok(summed) } else { Err(ReadError::Missing(summed.missing)) }
    }

    /// Adds up every order of the list.
    async fn walk(&self, app: &App, reads: Reads, patience: Patience) -> Result<Summed, ReadError> {
        let mut merge = Merge::new(app.shards(), reads, &self.listed.scan, patience)?;
        let mut summed = Summed::default();
        while let Some(row) = merge.next(ROWS).await? {
            summed.sums.add_order(&row, worth_now(&row)?, self.by);
        }
        summed.missing = merge.missing().to_vec();
        for source in merge.sources() {
            summed.read_at.note(source.stream(), source.position());
            summed.is_whole &= source.position().is_some();
            let watch = self.listed.scan.watch(source.subject(), Page::default());
            summed.watched.push(Watched { stream: source.stream(), watch });
        }
        Ok(summed)
    }
}

impl Default for Summed {
    fn default() -> Self {
        let (sums, read_at, watched, missing) = (Sums::default(), ReadAt::default(), Vec::new(), Vec::new());
        Self { sums, read_at, watched, missing, is_whole: true }
    }
}
