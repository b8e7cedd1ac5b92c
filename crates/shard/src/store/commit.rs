//! A batch, committed: once, whatever rows are in it.

use forebay_model::ownership::Ownership;
use forebay_model::{Bucket, Incarnation, PerLane, Position, StreamKind};

use super::StreamStore;
use super::committed::Committed;
use super::connections::connect_writer;
use super::error::{AttemptError, CommitError};
use super::lane::sift::Sifted;
use super::lane::{LanePart, LaneState};
use super::transaction::attempt::{Attempt, Done, End, Session};
use super::transaction::bisect::{Sessions, bisect};
use super::transaction::owner::{OwnerFrame, decides_parked};
use crate::control::ViewsInForce;
use crate::derived::DerivedNote;
use crate::frame::{IndexedFrame, RowPosition};
use crate::owner::away::{Away, SentOn};
use crate::place::{self, PlaceLog};
use crate::position::Tally;
use crate::step::{Fault, Step, StepError, StoreError, step};

/// What is committed together.
pub(super) struct Work<'a> {
    /// What the position moves over.
    pub(super) frames: &'a [IndexedFrame],
    /// The frames whose rows are decided.
    pub(super) rows: &'a [IndexedFrame],
    pub(super) away: &'a Away,
    pub(super) edges: &'a [(Bucket, Ownership)],
    pub(super) owners: &'a [OwnerFrame],
    pub(super) are_copies: bool,
}

impl StreamStore {
    /// Commits frames that follow `from`, or the first of them, and moves the position there, and with it notes of what is
    /// derived. What control frames among them say is taken; those that say whose units are, are committed by themselves. Of the rows that are not decided here
    /// those whose shard is in `sent` were [sent on](Self::to_be_sent_on), and the others are parked.
    ///
    /// # Errors
    /// [`CommitError::Fenced`] where the position is not at `from`, or a note is not as it was read;
    /// [`CommitError::Violated`] where going on would make the sums
    /// wrong; then nothing was committed. After any other error the position must be read again:
    /// a COMMIT whose answer was lost may have been done.
    pub async fn commit(
        &mut self,
        frames: &[IndexedFrame],
        from: Position,
        notes: &[DerivedNote],
        sent: &SentOn,
    ) -> Result<Committed, CommitError> {
        if !follow(from, frames) {
            return Err(CommitError::violated("the frames do not follow the position, or each other"));
        }
        if frames.iter().any(|frame| frame.stream() != self.stream) {
            return Err(CommitError::violated("the frames were read as those of another stream"));
        }
        if frames.is_empty() {
            self.note_derived(from, notes).await?;
            return Ok(Committed::nothing(from));
        }
        self.name_log(from.incarnation).await?;
        let mut count = frames.iter().take_while(|frame| is_alike(frame, &frames[0])).count();
        if frames[0].owner().is_some() {
            return self.commit_owners(frames, from, notes).await;
        }
        if frames[0].copied().is_some() {
            return self.commit_copies(&frames[..count], from, notes).await;
        }
        loop {
            let frames = &frames[..count];
            let units = self.units.as_ref();
            let away = units.map(|units| Away::of(frames, units, sent)).unwrap_or_default();
            let edges = units.map(|units| away.edges(units, sent)).unwrap_or_default();
            let work = Work { frames, rows: frames, away: &away, edges: &edges, owners: &[], are_copies: false };
            if let Some(committed) = self.commit_all(&work, from, notes).await? {
                self.left(&away, edges);
                return Ok(Committed { away: away.spans(), ..committed });
            }
            // Some row is refused, or they are too many for the server: the good frames before it go first.
            count = count.div_ceil(2);
        }
    }

    /// Finds the number by which rows that keep their place name a log.
    async fn name_log(&mut self, incarnation: Incarnation) -> Result<(), StoreError> {
        if self.placed_in == Some(incarnation) || self.stream != StreamKind::Logged {
            return Ok(());
        }
        let number = step(Step::Position, PlaceLog::number(&mut self.control, self.shard, incarnation)).await?;
        self.lanes.iter_mut().for_each(|lane| lane.place_log = place::is_kept(lane.lane).then_some(number));
        self.placed_in = Some(incarnation);
        Ok(())
    }

    /// `None` where these frames cannot be committed together, but maybe fewer of them.
    pub(super) async fn commit_all(
        &mut self,
        &Work { frames, rows, away, edges, owners, are_copies }: &Work<'_>,
        from: Position,
        notes: &[DerivedNote],
    ) -> Result<Option<Committed>, CommitError> {
        let last =
            frames.last().map(IndexedFrame::frame).ok_or_else(|| CommitError::violated("there are no frames"))?;
        let mut sifted = self.sift(rows, away).await?;
        let mut searched = Vec::new();
        let controls: Vec<(u64, ViewsInForce)> =
            frames.iter().filter_map(|frame| Some((frame.frame().seq, ViewsInForce::of(frame.control()?)?))).collect();
        loop {
            let session = self.take().await?;
            let parts: Vec<LanePart<'_>> =
                self.lanes.iter().zip(&sifted).filter_map(|(lane, of)| lane.part(of)).collect();
            let parts: Vec<_> = if are_copies { parts.iter().map(LanePart::as_copies).collect() } else { parts };
            let attempt = Attempt {
                stream: self.stream,
                frames,
                lanes: &parts,
                away,
                edges,
                owners,
                notes,
                controls: &controls,
                before_commit: self.settings.before_commit,
                from,
                to: End {
                    row: RowPosition { seq: last.seq, row: 0, epoch: last.epoch, enqueued_at: last.enqueued_at },
                    frame_id: &last.id,
                },
            };
            let (lane, error) = match attempt.run(session).await {
                Ok((session, Done { outcomes, views, eventful, restated, taken })) => {
                    let was_staged = parts.iter().any(|part| part.straight.is_none());
                    let committed = Committed::of(frames.len(), Position { seq: last.seq, ..from }, &parts, &outcomes);
                    self.session = Some(session);
                    let was_decided = !are_copies && (owners.is_empty() || taken.iter().any(decides_parked));
                    for (lane, sifted) in self.lanes.iter_mut().zip(&sifted).filter(|_| was_decided) {
                        lane.committed(committed.rows[lane.lane], sifted);
                    }
                    return Ok(Some(Committed { was_staged, views, eventful, restated, taken, ..committed }));
                }
                Err(AttemptError::Rows { lane, error }) => (lane, error),
                Err(error) => return Err(error.into()),
            };
            let Some(fault) = error.fault_of_rows() else { return Err(error.into()) };
            let place =
                self.lanes.iter().position(|state| state.lane == lane).expect("the lane is one of the stream's");
            let was_straight = self.lanes[place].refused();
            match fault {
                Fault::Duplicate if was_straight => {}
                Fault::Data if self.lost_partitions(rows, away).await? => sifted = self.sift(rows, away).await?,
                Fault::Data | Fault::TooMuch if frames.len() > 1 => return Ok(None),
                Fault::Data if !searched.contains(&lane) => {
                    searched.push(lane);
                    self.set_refused_apart(place, &mut sifted[place]).await?;
                }
                _ => return Err(error.into()),
            }
        }
    }

    /// Sees what of each lane can be sent, and makes the partitions that it needs.
    async fn sift<'a>(&mut self, frames: &'a [IndexedFrame], away: &Away) -> Result<Vec<Sifted<'a>>, StoreError> {
        let mut sifted = Vec::with_capacity(self.lanes.len());
        for lane in &mut self.lanes {
            let of_lane = lane.sift(frames, self.settings.granularity, away);
            lane.make_partitions(&mut self.control, &of_lane.missing).await?;
            sifted.push(of_lane);
        }
        Ok(sifted)
    }

    /// Whether facts were refused because a partition that was known is not there any more: somebody detached it.
    async fn lost_partitions(&mut self, frames: &[IndexedFrame], away: &Away) -> Result<bool, StoreError> {
        let mut lost = false;
        for lane in &mut self.lanes {
            lane.read_partitions(&mut self.control).await?;
            lost |= !lane.sift(frames, self.settings.granularity, away).missing.is_empty();
        }
        Ok(lost)
    }

    /// Moves the rows that the server refuses from what is sent to the dead letters.
    async fn set_refused_apart(&mut self, place: usize, sifted: &mut Sifted<'_>) -> Result<(), CommitError> {
        let LaneState { lane, ref statements, place_log, .. } = self.lanes[place];
        let statements = statements.clone();
        let (ranges, letters) = (&[][..], &[][..]);
        let of = LanePart {
            lane,
            statements: &statements,
            place_log,
            straight: None,
            ranges,
            letters,
            rows: 0,
            times: None,
            away: Tally::default(),
            is_copied: false,
        };
        let parted = bisect(self, of, &sifted.ranges).await?;
        sifted.ranges = parted.taken;
        sifted.letters.extend(parted.refused);
        Ok(())
    }
}

impl Sessions for StreamStore {
    async fn take(&mut self) -> Result<Session, StepError> {
        if let Some(session) = self.session.take() {
            return Ok(session);
        }
        let connection = connect_writer(&self.address, self.stream).await?;
        Ok(Session { connection, has_staged: PerLane::default() })
    }

    fn give_back(&mut self, session: Session) {
        self.session = Some(session);
    }
}

/// The compare-and-swap guards against other writers; this, against frames that were committed before, and against a hole
/// that the position would silently skip.
fn follow(from: Position, frames: &[IndexedFrame]) -> bool {
    (from.seq + 1..).zip(frames).all(|(expected, frame)| frame.frame().seq == expected)
}

/// Whether two frames can be committed together: rows and what changes no unit, or copies. What says whose units are is for itself.
fn is_alike(one: &IndexedFrame, other: &IndexedFrame) -> bool {
    one.owner().is_none() && other.owner().is_none() && one.copied().is_some() == other.copied().is_some()
}
