//! What a store does with units: it is told the map, says which rows go to other shards, and lets parked rows go.

use std::collections::BTreeSet;
use std::sync::Arc;

use forebay_model::fact::FramePart;
use forebay_model::ownership::{NewState, Ownership, Taken};
use forebay_model::{Bucket, Claimant, Facts, Incarnation, PerLane, Position, ShardId, ShardMap};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::StreamStore;
use super::commit::Work;
use super::committed::Committed;
use super::error::CommitError;
use super::transaction::owner::{OwnerFrame, decides_parked, expects_rows};
use crate::derived::DerivedNote;
use crate::frame::IndexedFrame;
use crate::owner::Waiting;
use crate::owner::away::{Away, Way};
use crate::owner::parked::{self, ParkedRow};
use crate::owner::units::{self, Units};
use crate::step::{Step, StoreError, step};

/// How many control frames are committed together, and of these how many of units whose rows are compared.
const TOGETHER_MAX: usize = 64;
const COMPARED_MAX: usize = 8;

impl StreamStore {
    /// Reads what the shard says of units, of which nothing is said beside the map; the stream is read in that making. A store that does not know
    /// it decides every row, and takes no control frame that says whose a unit is.
    pub async fn know_units(&mut self, map: Arc<ShardMap>, incarnation: Incarnation) -> Result<(), StoreError> {
        let read = Units::read(&mut self.control, self.stream, self.shard, map, incarnation);
        self.units = Some(step(Step::Position, read).await?);
        Ok(())
    }

    /// Goes by another map.
    pub fn follow_map(&mut self, map: Arc<ShardMap>) {
        if let Some(units) = &mut self.units {
            units.follow(map);
        }
    }

    /// The rows of frames that are to be sent on to other shards before these frames are committed, or the first of them: none, as long as
    /// every unit is where it was first.
    pub async fn to_be_sent_on(&mut self, frames: &[IndexedFrame]) -> Result<Vec<FramePart>, StoreError> {
        let Some(units) = &self.units else { return Ok(Vec::new()) };
        let until =
            frames.iter().position(|frame| frame.copied().is_some() || frame.owner().is_some()).unwrap_or(frames.len());
        let away = Away::wanted(&frames[..until], units);
        if away.is_empty() {
            return Ok(Vec::new());
        }
        let claimed = |frame: usize, row: u32| frames[frame].frame().claims.of_row(row);
        let claims: Vec<_> = away.rows().iter().map(|row| claimed(row.frame, row.row)).collect();
        let letters = step(Step::Letters, letters_held(&mut self.control, &claims)).await?;
        let mut facts = Facts::default();
        for (row, claim) in away.rows().iter().zip(claims) {
            let Way::SentOn(to) = row.way else { continue };
            // A row that is in the log once more is its request's only where its letter still is.
            let is_counted = |of: &Claimant| of.letter.is_none_or(|letter| letters.contains(&letter));
            facts.set_claimant(claim.filter(is_counted).map(|of| Claimant { letter: None, ..of }));
            let entry = frames[row.frame].tuples().entries()[row.row as usize];
            let tuple = &frames[row.frame].frame().payload[entry.range()];
            facts.push(row.lane, to, |out| out.extend_from_slice(tuple));
        }
        Ok(facts.into_parts())
    }

    /// The buckets whose parked rows can be sent on, and to which shard.
    pub fn parked_to_be_sent(&self) -> Vec<(Bucket, ShardId)> {
        self.units.as_ref().map(Units::to_be_sent).unwrap_or_default()
    }

    /// All that is parked of a bucket.
    pub async fn waiting(&mut self, bucket: Bucket, to: ShardId) -> Result<Waiting, StoreError> {
        let rows = step(Step::Letters, ParkedRow::all(&mut self.control, self.stream, bucket)).await?;
        Ok(Waiting { bucket, to, rows })
    }

    /// Takes parked rows out that the log of another shard has acknowledged, the last of them at `edge`.
    ///
    /// # Errors
    /// [`CommitError::Fenced`] where the position is not at `at`; then nothing was done.
    pub async fn sent_parked(&mut self, at: Position, waiting: &Waiting, edge: Position) -> Result<(), CommitError> {
        let Some(units) = &mut self.units else { return Ok(()) };
        let mut said = units.of(waiting.bucket);
        said.note_edge(waiting.to, edge);
        let stream = self.stream;
        let taken = async {
            let mut transaction = self.control.begin().await?;
            let holds = super::position_holds(&mut transaction, stream, at).await?;
            let counts = parked::counts(&waiting.rows);
            let taken = holds && parked::take_out(&mut transaction, stream, waiting.bucket, &counts, true).await?;
            if !taken {
                transaction.rollback().await?;
                return Ok(false);
            }
            units::write(&mut transaction, stream, &[(waiting.bucket, said.clone())]).await?;
            units::mark(&mut transaction, stream, false).await?;
            transaction.commit().await?;
            Ok(true)
        };
        if !step(Step::Commit, taken).await? {
            return Err(CommitError::Fenced);
        }
        units.note_parked(waiting.bucket, false);
        units.note(waiting.bucket, said);
        Ok(())
    }

    /// Commits the first of these frames, a control frame that says whose a unit is, with what was parked of it, where that is decided now; and those behind it that say as
    /// little of other units.
    pub(super) async fn commit_owners(
        &mut self,
        frames: &[IndexedFrame],
        from: Position,
        notes: &[DerivedNote],
    ) -> Result<Committed, CommitError> {
        let Some(units) = &self.units else {
            return Err(CommitError::violated("it is not known what the shard says of units"));
        };
        let frames = &frames[..together(frames, units)];
        let mut owners = Vec::with_capacity(frames.len());
        for frame in frames {
            let (Some(change), seq) = (frame.owner().cloned(), frame.frame().seq) else { continue };
            let bucket = change.unit.bucket();
            let rows = if units.has_parked(bucket) {
                step(Step::Letters, ParkedRow::all(&mut self.control, self.stream, bucket)).await?
            } else {
                Vec::new()
            };
            let (parked, counts) = (parked::as_frames(&rows, seq), parked::counts(&rows));
            owners.push(OwnerFrame { change, at: Position { seq, ..from }, before: units.of(bucket), parked, counts });
        }
        let rows = owners.first().map_or(&[][..], |owner| &owner.parked);
        let work = Work { frames, rows, away: &Away::default(), edges: &[], owners: &owners, are_copies: false };
        let committed = self.commit_all(&work, from, notes).await?;
        let mut committed = committed.ok_or_else(|| CommitError::violated("frames without rows cannot be fewer"))?;
        let Some(units) = &mut self.units else { return Ok(committed) };
        for (owner, taken) in owners.into_iter().zip(&committed.taken) {
            if let Taken::Changed(next, _) | Taken::Refused(next) = taken {
                units.note(owner.bucket(), next.clone());
            }
            if decides_parked(taken) {
                units.note_parked(owner.bucket(), false);
                committed.unparked.extend(owner.parked);
            }
        }
        Ok(committed)
    }

    /// What is known of units once rows have left.
    pub(super) fn left(&mut self, away: &Away, edges: Vec<(Bucket, Ownership)>) {
        let Some(units) = &mut self.units else { return };
        for bucket in away.parked() {
            units.note_parked(bucket, true);
        }
        for (bucket, said) in edges {
            units.note(bucket, said);
        }
    }

    /// What the shard says of a bucket, as far as this store knows.
    pub fn ownership(&self, bucket: Bucket) -> Option<Ownership> {
        self.units.as_ref().map(|units| units.of(bucket))
    }
}

impl Waiting {
    /// How many rows of each lane there are.
    pub fn rows(&self) -> PerLane<u64> {
        parked::counts(&self.rows)
    }

    /// The rows, as they are to be published.
    pub fn parts(&self) -> Vec<FramePart> {
        let mut facts = Facts::default();
        for row in &self.rows {
            facts.set_claimant(row.claimant());
            facts.push(row.lane, self.to, |out| out.extend_from_slice(&row.tuple));
        }
        facts.into_parts()
    }
}

/// How many of the first frames are committed together, of which the first says whose a unit is: as long as each says that of another unit, and nothing is parked of it. One
/// that may stand the stream still is alone, and so that none waits long for others, those whose units' rows have to be compared are few.
fn together(frames: &[IndexedFrame], units: &Units) -> usize {
    let (mut buckets, mut compared) = (BTreeSet::new(), 0);
    let fits = |frame: &&IndexedFrame| {
        let Some(change) = frame.owner() else { return false };
        let bucket = change.unit.bucket();
        let takes_back = matches!(change.state, NewState::Awaiting { .. }) && units.of(bucket).state.owns();
        compared += usize::from(expects_rows(change));
        buckets.insert(bucket) && compared <= COMPARED_MAX && !units.has_parked(bucket) && !takes_back
    };
    frames.iter().take(TOGETHER_MAX).take_while(fits).count().max(1)
}

/// Of rows that are in the log once more, the letters that are their requests' still.
async fn letters_held(
    connection: &mut PgConnection,
    claims: &[Option<Claimant>],
) -> Result<BTreeSet<u64>, sqlx::Error> {
    const SQL: &str = "select l.id from dead_letter l join unnest($1::int8[], $2::bytea[]) as again(id, request) \
        on l.id = again.id and l.request = again.request";
    let again: Vec<_> = claims.iter().flatten().filter_map(|claim| Some((claim.letter?, claim.request))).collect();
    if again.is_empty() {
        return Ok(BTreeSet::new());
    }
    let held = sqlx::query_scalar(SQL)
        .bind(again.iter().map(|(letter, _)| letter.cast_signed()).collect::<Vec<_>>())
        .bind(again.iter().map(|(_, request)| &request.as_bytes()[..]).collect::<Vec<_>>());
    Ok(held.fetch_all(connection).await?.into_iter().map(i64::cast_unsigned).collect())
}
