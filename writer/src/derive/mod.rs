//! Behind the commit: what follows from stored orders goes to the derived streams of the shards where its readers look.
//!
//! **Only what is committed is derived, and nothing is published before COMMIT's answer.** A commit waits for none of this. For
//! each target shard a worker of its own publishes what a commit has brought, and remembers up to where it has come; what the
//! worker has come to is noted in the shard's database with the next commit, or alone where there is none. Whatever crashes
//! in between, the note says from where facts are derived again, which is harmless.
//!
//! Everything is derived with the views that are in force behind the batch that brought it: a control frame of the logged stream
//! says which, and the shard's database keeps it. So whatever is committed behind a control frame is derived with its views, also
//! where it is found again after a crash; that what lies before it may be, too, does no harm, because the backfill makes the same.
//!
//! What is owed to a target is nothing of its own: it is what lies between its note and the position. A target that cannot take
//! frames makes that distance grow, and nothing else; see [`target`].
//!
//! | module | concept |
//! |---|---|
//! | [`piece`] | what a commit has brought, derived and dealt out |
//! | [`target`] | one target's worker: keep up, fall behind, make up |
//! | [`delivery`] | frames on their way to one target |
//! | [`trouble`] | why they do not get there |
//! | [`look`] | whether a target's stream is still the one that took the last frame |
//! | [`owed`] | what is owed, found again in the log or among the stored orders |
//! | [`stretch`] | stored orders of a stretch of the log, in its order |
//! | [`board`] | how far each worker has come, and what of that is noted |

mod board;
mod delivery;
mod look;
mod owed;
mod piece;
mod stretch;
mod target;
mod trouble;

use std::sync::Arc;

use forebay_log::{Log, LogError};
use forebay_model::{Bucket, Deriver, Position, ShardId, ShardMap, StreamId, StreamKind};
use forebay_service::health::{Dependency, Health, Need};
use forebay_shard::read::stored_order::OrderReader;
use forebay_shard::{Committed, Derived, IndexedFrame, Published, ShardAddresses};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

pub(crate) use self::board::{Board, TargetReport};
use self::piece::{Brought, Dealer};
use self::target::Target;

/// Commits that wait to be derived.
const COMMITS_WAITING: usize = 4;
/// Commits whose facts wait for a target's worker. One that falls further behind finds them again by itself.
const PIECES_WAITING: usize = 4;

/// Derives what the commits of one logged stream bring, for as long as its session lasts.
#[derive(Debug)]
pub(crate) struct Deriving {
    map: Arc<ShardMap>,
    commits: mpsc::Sender<Brought>,
    committed: watch::Sender<Point>,
    board: Arc<Board>,
    tasks: Vec<AbortHandle>,
}

/// Up to where the stream is committed, and what is in force there.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) at: Position,
    pub(crate) deriver: Deriver,
}

/// What deriving needs.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) stream: StreamId,
    pub(crate) addresses: ShardAddresses,
    pub(crate) log: Log,
    pub(crate) map: Arc<ShardMap>,
    /// The most bytes of frames that are read of the log at a time.
    pub(crate) batch_bytes: usize,
    /// That the derived streams take frames, for `/readyz`.
    pub(crate) doors: Doors,
}

/// Of each target, that its derived stream takes frames. As long as it does not, its shard is owed facts, and everything else goes on.
#[derive(Clone, Debug)]
pub(crate) struct Doors(pub(crate) Health);

impl Doors {
    /// That of a shard.
    pub(crate) fn of(&self, shard: ShardId) -> Dependency {
        self.0.dependency(format!("frames for {}", StreamKind::Derived.on(shard)), Need::Optional)
    }
}

/// The notes that targets begin with: nothing is derived, and their streams are not known.
pub(crate) fn first_notes(map: &ShardMap) -> Vec<Derived> {
    let published = || Published { position: Position::NOWHERE, frame_id: String::new() };
    let note = |target| Derived { target, through: Position::NOWHERE, published: published() };
    map.staying().map(note).collect()
}

/// Whether by both maps the same goes to the same shards.
pub(crate) fn is_dealt_alike(one: &ShardMap, other: &ShardMap) -> bool {
    let place = |map: &ShardMap, bucket| map.shard(StreamKind::Derived, bucket);
    one.staying().eq(other.staying()) && Bucket::all().all(|bucket| place(one, bucket) == place(other, bucket))
}

/// The notes of the targets of a map, where by another one everything up to a position is derived: the targets that are new have nothing to
/// come from before it.
///
/// # Errors
/// Where a target's stream cannot be asked.
pub(crate) async fn notes_behind(
    log: &Log,
    map: &ShardMap,
    known: &[Derived],
    at: Position,
) -> Result<Vec<Derived>, LogError> {
    let mut notes = Vec::new();
    for target in map.staying().filter(|target| known.iter().all(|note| note.target != *target)) {
        let stream = log.stream_state(StreamKind::Derived.on(target)).await?;
        let position = Position { incarnation: stream.incarnation, seq: 0 };
        notes.push(Derived { target, through: at, published: Published { position, frame_id: String::new() } });
    }
    Ok(notes)
}

impl Deriving {
    /// Starts at a position, where the notes are these.
    pub(crate) fn start(
        source: &Source,
        deriver: Deriver,
        position: Position,
        notes: Vec<Derived>,
        board: Arc<Board>,
    ) -> Self {
        board.begin(&notes);
        let (committed, _) = watch::channel(Point { at: position, deriver });
        let (commits, brought) = mpsc::channel(COMMITS_WAITING);
        let (mut tasks, mut outlets) = (Vec::new(), Vec::new());
        let spawner = &source.log.settings().spawner;
        for note in notes {
            let (outlet, inlet) = piece::outlet(note.target, PIECES_WAITING);
            outlets.push(outlet);
            let name = format!("derive {} for shard {}", source.stream, note.target);
            let target = Target::new(source.clone(), note, inlet, committed.subscribe(), Arc::clone(&board));
            tasks.push(spawner.spawn(name, target.run()));
        }
        let name = format!("forebay-derive {}", source.stream);
        let dealer = Dealer::new(outlets, OrderReader::new(source.stream.shard, &source.addresses, name));
        tasks.push(spawner.spawn(format!("derive {}", source.stream), dealer.run(brought)));
        Self { map: Arc::clone(&source.map), commits, committed, board, tasks }
    }

    /// By which map facts are dealt out.
    pub(crate) fn map(&self) -> &ShardMap {
        &self.map
    }

    /// How far the workers have come.
    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    /// Frames were committed.
    pub(crate) async fn committed(&self, frames: Vec<IndexedFrame>, before: Position, committed: &Committed) {
        let mut dead = [&committed.dead_rows[..], &committed.away].concat();
        dead.sort_unstable();
        let known = self.committed.borrow().deriver.clone();
        let deriver = committed.views.as_ref().map_or(known.clone(), |views| known.with_views(views.clone()));
        let (after, eventful) = (committed.position, committed.eventful.clone());
        let brought = Brought { before, after, deriver: deriver.clone(), frames, dead, eventful };
        self.committed.send_replace(Point { at: committed.position, deriver });
        // The one that takes them ends with this, or with the process.
        let _ = self.commits.send(brought).await;
    }
}

impl Drop for Deriving {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
