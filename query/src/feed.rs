//! The feed: what was stored, shard by shard in the order of its log, from a position on. Its reader keeps the position that it has
//! come to, and goes on from there after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_model::{Position, Receipt, ShardId, StreamKind};
use forebay_service::Problem;
use forebay_shard::read::changes::{Amount, Changes, EventRow, Stored, Stretch};
use forebay_shard::read::{Statement, Subject};
use futures::FutureExt;
use futures::future::{join_all, select_all, try_join_all};
use tokio::time::{Duration, Instant, sleep_until};

use crate::answer::{Fact, push_display, push_fact, push_members, push_text};
use crate::error::ReadError;
use crate::position::patience::Patience;
use crate::reader::Reader;
use crate::replica::shard::Shard;
use crate::unit::pick::{MOVED_MAX, pause_before};

/// The most bytes of a piece, shared out among the shards.
const PIECE_BYTES: usize = 4 << 20;
/// How long nothing is looked for while no notice comes.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The position before everything.
pub(crate) const BEGINNING: &str = "0";

/// Somebody who follows.
pub(crate) struct Follower {
    reader: Reader,
    /// How far each shard's facts are given.
    at: BTreeMap<ShardId, Position>,
    /// Whether to go on without shards that are down.
    partial: bool,
}

/// What was stored next.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    /// Each fact as a JSON object, those of a shard in the order of its log.
    pub(crate) facts: Vec<Vec<u8>>,
    /// Shards that are left out because they are down.
    pub(crate) missing: Vec<ShardId>,
    /// Whether more follows at once.
    pub(crate) has_more: bool,
}

impl Follower {
    /// From a position on, or from the beginning.
    pub(crate) fn new(reader: Reader, since: &Receipt, partial: bool) -> Self {
        let logged = since.positions().filter(|(stream, _)| stream.kind == StreamKind::Logged);
        let at = logged.map(|(stream, position)| (stream.shard, position)).collect();
        Self { reader, at, partial }
    }

    /// Begins at what is stored now.
    ///
    /// # Errors
    /// Where a shard does not answer.
    pub(crate) async fn begin_now(&mut self) -> Result<(), ReadError> {
        self.at.extend(self.reader.app.map()?.all_gone().map(|(shard, last)| (shard, last.logged)));
        for shard in self.shards(&self.subject()?)? {
            let statement = Statement::position(StreamKind::Logged);
            let rows = self.reader.app.shards().read_after(&shard, &statement, &Patience::none()).await?.rows;
            self.at.extend(rows.position.map(|position| (shard.id(), position)));
        }
        Ok(())
    }

    /// The position to go on from, as `since` takes it: everything up to there was given.
    pub(crate) fn position(&self) -> String {
        let mut position = Receipt::default();
        for (&shard, &at) in &self.at {
            position.note(StreamKind::Logged.on(shard), at);
        }
        if position.is_empty() { BEGINNING.to_owned() } else { position.to_string() }
    }

    /// What was stored next, about `rows` facts of it. Nothing where there is nothing.
    ///
    /// # Errors
    /// Where a shard does not answer, and is not to be left out.
    pub(crate) async fn next(&mut self, rows: usize) -> Result<Piece, ReadError> {
        let subject = self.subject()?;
        let shards: BTreeSet<ShardId> = self.shards(&subject)?.iter().map(|shard| shard.id()).collect();
        let amount = Amount { rows: rows.div_ceil(shards.len().max(1)), bytes: PIECE_BYTES / shards.len().max(1) };
        let gone = self.gone_to_read()?;
        let logs = shards.iter().map(|&log| (log, None)).chain(gone.into_iter().map(|(log, end)| (log, Some(end))));
        let reads = logs.map(async |(log, end)| (log, self.read(log, end, &shards, &subject, amount).await));
        let mut piece = Piece::default();
        for (log, read) in join_all(reads).await {
            match read {
                Ok(changes) => self.take(log, changes, &mut piece),
                Err(ReadError::Shard(error)) if self.partial && error.is_outage() => {
                    error.log();
                    piece.missing.push(error.shard());
                }
                Err(error) => return Err(error),
            }
        }
        piece.missing.sort_unstable();
        piece.missing.dedup();
        Ok(piece)
    }

    /// Reads on in the log of a shard, up to its end where it is gone: on that shard, and where units have moved on all others, too, what came with them. Of each
    /// unit those rows are given that the shard has from which it is taken.
    async fn read(
        &self,
        log: ShardId,
        end: Option<Position>,
        shards: &BTreeSet<ShardId>,
        subject: &Subject,
        amount: Amount,
    ) -> Result<Changes, ReadError> {
        let all = self.reader.app.shards();
        let (mut parts, mut wanted, mut upto) = (BTreeMap::new(), shards.clone(), end);
        if upto.is_none() {
            let own = self.read_on(log, log, None, subject, amount).await?;
            upto = own.position.filter(|_| all.moved().is_any());
            if upto.is_none() {
                return Ok(own);
            }
            parts.insert(log, own);
            wanted.remove(&log);
        }
        for time in 0..MOVED_MAX {
            pause_before(time).await;
            let reads = wanted.iter().map(async |&shard| {
                Ok::<_, ReadError>((shard, self.read_on(shard, log, upto, subject, amount).await?))
            });
            parts.extend(try_join_all(reads).await?);
            let said = parts.iter().map(|(&shard, part)| (shard, Arc::clone(&part.units))).collect();
            let placement = all.placement(StreamKind::Logged, &said, &[])?;
            if placement.again().is_empty() {
                for (&shard, part) in &mut parts {
                    part.changes.retain(|change| placement.shard(change.bucket) == Some(shard));
                }
                return Ok(Changes::together(parts.into_values().collect()));
            }
            wanted.clone_from(placement.again());
        }
        Err(ReadError::Moved)
    }

    /// The logs of shards that are gone of which not everything is given yet, each with its end.
    fn gone_to_read(&self) -> Result<Vec<(ShardId, Position)>, ReadError> {
        let is_given = |log: ShardId, end: Position| self.at.get(&log).is_some_and(|at| at.covers(end));
        let gone = self.reader.app.map()?.all_gone().map(|(log, last)| (log, last.logged)).collect::<Vec<_>>();
        Ok(gone.into_iter().filter(|&(log, end)| !is_given(log, end)).collect())
    }

    /// Reads on in a log, of what is on a shard.
    async fn read_on(
        &self,
        shard: ShardId,
        log: ShardId,
        upto: Option<Position>,
        subject: &Subject,
        amount: Amount,
    ) -> Result<Changes, ReadError> {
        let moved = self.reader.app.shards().moved();
        let known = moved.said(StreamKind::Logged, shard);
        let stretch = Stretch { log, behind: self.at.get(&log).copied(), upto };
        let of = self.reader.app.shards().get(shard)?;
        let changes = of
            .with_connection("changes", &|connection| {
                let (subject, known) = (subject.clone(), known.clone());
                async move { Changes::read(connection, &subject, stretch, amount, known.as_ref()).await }.boxed()
            })
            .await?;
        moved.remember(StreamKind::Logged, shard, &changes.units);
        Ok(changes)
    }

    fn take(&mut self, shard: ShardId, Changes { changes, read_to, is_all, .. }: Changes, piece: &mut Piece) {
        for change in &changes {
            piece.facts.push(match &change.fact {
                Stored::Order(row) => order(shard, &Fact::of(row)),
                Stored::Event(row) => event(shard, row),
            });
        }
        self.at.extend(read_to.map(|position| (shard, position)));
        piece.has_more |= !is_all;
    }

    /// The next piece that has something, or what there is when the time is over.
    ///
    /// # Errors
    /// As [`Follower::next`].
    pub(crate) async fn next_until(&mut self, rows: usize, until: Instant) -> Result<Piece, ReadError> {
        loop {
            let shards = self.shards(&self.subject()?)?;
            // Followed before it is read: what is committed meanwhile is seen.
            let mut known: Vec<_> = shards.iter().map(|shard| shard.known().follow(StreamKind::Logged)).collect();
            for known in &mut known {
                known.mark_unchanged();
            }
            let piece = self.next(rows).await?;
            if !piece.facts.is_empty() || Instant::now() >= until {
                return Ok(piece);
            }
            if piece.has_more {
                // It was looked through, and has nothing for who follows.
                continue;
            }
            let news = known.iter_mut().map(|known| known.changed().boxed());
            let look = until.min(Instant::now() + LOOK_EVERY);
            tokio::select! {
                _ = select_all(news) => {}
                () = sleep_until(look) => {}
            }
        }
    }

    /// Whose orders are followed. What the key of a view sees is in no log.
    fn subject(&self) -> Result<Subject, ReadError> {
        match self.reader.scope.everything(&*self.reader.app.map()?) {
            Subject::View { .. } => Err(Problem::forbidden("there is no feed of what a view shows").into()),
            subject => Ok(subject),
        }
    }

    fn shards(&self, subject: &Subject) -> Result<Vec<Arc<Shard>>, ReadError> {
        let app = &self.reader.app;
        subject.shards(&*app.map()?).into_iter().map(|shard| Ok(app.shards().get(shard)?)).collect()
    }
}

fn begin(shard: ShardId, kind: &str) -> Vec<u8> {
    format!("{{\"shard\":{shard},\"type\":\"{kind}\",\"{kind}\":").into_bytes()
}

fn order(shard: ShardId, order: &Fact<'_>) -> Vec<u8> {
    let mut out = begin(shard, "order");
    push_fact(&mut out, order);
    out.push(b'}');
    out
}

fn event(shard: ShardId, event: &EventRow) -> Vec<u8> {
    let mut out = begin(shard, "event");
    out.extend_from_slice(b"{\"order_id\":");
    push_text(&mut out, &event.order_id);
    if !event.customer_id.is_empty() {
        out.extend_from_slice(b",\"customer_id\":");
        push_text(&mut out, &event.customer_id);
    }
    out.extend_from_slice(b",\"event_id\":");
    push_text(&mut out, &event.event_id);
    out.extend_from_slice(b",\"kind\":");
    push_text(&mut out, &event.kind);
    out.extend_from_slice(b",\"at\":\"");
    push_display(&mut out, event.at.in_full());
    out.push(b'"');
    push_members(&mut out, &event.content);
    out.extend_from_slice(b"}}");
    out
}
