//! What the orders of a list come to.

use axum::response::Response;
use forebay_api::{Route, Totals};
use forebay_model::{Position, ShardId, ShardMap, StreamId, StreamKind};
use forebay_service::Problem;
use forebay_shard::read::{Direction, Filter, Period, Scope, Statement, Subject, Summing};
use futures::FutureExt;
use http::{HeaderMap, Uri};

use crate::answer::totals::Sums;
use crate::app::App;
use crate::cache::{CacheEntry, Watch, Watched};
use crate::error::ReadError;
use crate::http::lists::listed::{Listed, Reads};
use crate::http::request::query_string::QueryString;
use crate::list::scan::{Page, Scan};
use crate::position::patience::Patience;
use crate::position::read_at::ReadAt;
use crate::unit::pick::{Agreement, MOVED_MAX, Together, pause_before};
use crate::unit::{Places, UnitRows};

/// The most totals of one answer.
const TOTALS_MAX: usize = 20_000;

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
        let scan = Scan { direction, filter: Filter::default(), span, last, partial };
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
        let read = |reads, patience| self.read(app, reads, patience).boxed();
        self.listed.answer(app, map, subject, read).await
    }

    async fn read(&self, app: &App, reads: Reads, patience: Patience) -> Result<CacheEntry, ReadError> {
        let Summed { sums, read_at, watched, missing, is_whole } = match reads.first().map(|(_, subject)| subject) {
            Some(subject) if subject.unit().is_some() => self.sum_unit(app, subject, &patience).await?,
            _ => self.sum_all(app, &reads, &patience).await?,
        };
        if sums.len() > TOTALS_MAX {
            let detail =
                format!("these are more than {TOTALS_MAX} totals: ask for a shorter time, or for longer periods");
            return Err(Problem::malformed(detail).into());
        }
        let is_empty = sums.len() == 0;
        let is_whole = is_whole && missing.is_empty();
        let totals = Totals { data: sums.into_totals(), shards_missing: missing };
        let body = serde_json::to_vec(&totals).map_err(|error| Problem::internal(error.to_string()))?;
        Ok(CacheEntry { body: Some(body.into()), is_empty, read_at, watched, is_whole })
    }

    /// What the shard that has it sums of one unit.
    async fn sum_unit(&self, app: &App, subject: &Subject, patience: &Patience) -> Result<Summed, ReadError> {
        let Scan { span, partial, .. } = &self.listed.scan;
        let mut summed = Summed::default();
        let Some(unit) = subject.unit() else { return Ok(summed) };
        let statement = Statement::sums(Summing { subject, span: *span, by: self.by, buckets: None });
        match app.shards().read_unit(unit, &statement, patience, &mut Places::default()).await {
            Ok(UnitRows { rows, seen, .. }) => {
                rows.sums.into_iter().for_each(|sum| summed.sums.add(sum));
                for (shard, position) in seen {
                    summed.note(unit.stream().on(shard), position, self.listed.scan.watch(subject, Page::default()));
                }
                Ok(summed)
            }
            Err(ReadError::Shard(error)) if error.is_outage() && *partial => {
                error.log();
                summed.missing.push(error.shard());
                Ok(summed)
            }
            Err(error) => Err(error),
        }
    }

    /// Everybody's: by what each shard sums, which are the orders that it owns in that snapshot; and of the units that nobody owns, because they change hands just then,
    /// the orders of the shard that has released them.
    async fn sum_all(&self, app: &App, reads: &Reads, patience: &Patience) -> Result<Summed, ReadError> {
        let Some((_, subject)) = reads.first() else { return Ok(Summed::default()) };
        for time in 0..MOVED_MAX {
            pause_before(time).await;
            match self.sum(app, subject, patience).await {
                Err(ReadError::Moved) => {}
                other => return other,
            }
        }
        Err(ReadError::Moved)
    }

    /// Adds up what the shards sum.
    ///
    /// # Errors
    /// [`ReadError::Moved`] where something that a shard had released is not what it was any more.
    async fn sum(&self, app: &App, subject: &Subject, patience: &Patience) -> Result<Summed, ReadError> {
        let Scan { span, partial, .. } = &self.listed.scan;
        let (shards, by, map) = (app.shards(), self.by, app.shards().moved().map()?);
        let statement = Statement::sums(Summing { subject, span: *span, by, buckets: None });
        let Together { answers, placement } =
            shards.read_together(map.shards(), &[], &statement, patience, Agreement::Once).await?;
        let mut summed = Summed::default();
        for (shard, answer) in answers {
            match answer {
                Ok(after) => {
                    let watch = self.listed.scan.watch(subject, Page::default());
                    summed.note(statement.stream().on(shard), after.rows.position, watch);
                    after.rows.sums.into_iter().for_each(|sum| summed.sums.add(sum));
                }
                Err(ReadError::Shard(error)) if error.is_outage() => {
                    error.log();
                    summed.missing.push(error.shard());
                }
                Err(error) => return Err(error),
            }
        }
        if !(summed.missing.is_empty() || *partial) {
            return Err(ReadError::Missing(summed.missing));
        }
        let Some(placement) = placement else { return Ok(summed) };
        for (shard, buckets) in placement.released() {
            let statement = Statement::sums(Summing { subject, span: *span, by, buckets: Some(buckets) });
            let after = shards.read_all(&*shards.get(shard)?, &statement, &Patience::none(), true).await?;
            if !placement.is_still(StreamKind::Logged, &map, shard, &after.rows.units) {
                return Err(ReadError::Moved);
            }
            after.rows.sums.into_iter().for_each(|sum| summed.sums.add(sum));
        }
        Ok(summed)
    }
}

impl Summed {
    /// Notes where it was read, and what would change it.
    fn note(&mut self, stream: StreamId, position: Option<Position>, watch: Watch) {
        self.read_at.note(stream, position);
        // Before the first commit there is no position to compare with.
        self.is_whole &= position.is_some();
        self.watched.push(Watched { stream, watch });
    }
}

impl Default for Summed {
    fn default() -> Self {
        let (sums, read_at, watched, missing) = (Sums::default(), ReadAt::default(), Vec::new(), Vec::new());
        Self { sums, read_at, watched, missing, is_whole: true }
    }
}
