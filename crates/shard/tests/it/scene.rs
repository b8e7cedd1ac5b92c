//! What the tests share: a database of their own, and a stream of it.

use forebay_model::{Incarnation, Lane, PerLane, Position, ShardId};
use forebay_shard::{
    CommitError, Committed, DeadRows, IndexedFrame, LogFrame, Reason, SentOn, ShardAddresses, StoreError,
    StoreSettings, StreamStore, Tally, migrate,
};
use forebay_testkit::Databases;

pub(crate) struct Scene {
    databases: Databases,
    pub(crate) url: String,
}

/// A stream's store and the position that its owner believes in, as a writer has them.
pub(crate) struct Writer {
    /// The lane of frames of which nothing else is said.
    pub(crate) lane: Lane,
    pub(crate) store: StreamStore,
    pub(crate) position: Position,
}

/// What commits have done, where all that they had were frames of one lane.
#[derive(Debug)]
pub(crate) struct OfLane {
    pub(crate) frames: usize,
    pub(crate) position: Position,
    pub(crate) rows: Tally,
    pub(crate) dead: Vec<(Reason, u64)>,
    pub(crate) dead_rows: Vec<DeadRows>,
    pub(crate) was_staged: bool,
}

impl Scene {
    /// A database with every table.
    pub(crate) async fn new(name: &str) -> Self {
        let scene = Self::empty(name).await;
        migrate(&scene.addresses()).await.unwrap();
        scene
    }

    /// A database without tables.
    pub(crate) async fn empty(name: &str) -> Self {
        let databases = Databases::new(name, 1).await;
        Self { url: databases.urls[0].clone(), databases }
    }

    pub(crate) fn addresses(&self) -> ShardAddresses {
        self.url.parse().unwrap()
    }

    /// Runs SQL by psql: another client than the one that is tested.
    pub(crate) async fn sql(&self, statement: &str) -> String {
        self.databases.sql(0, statement).await
    }

    /// The columns of a table that `analyze` leaves out.
    pub(crate) async fn unanalyzed(&self, table: &str) -> String {
        let sql =
            "select string_agg(attname, ' ' order by attnum) from pg_attribute where attstattarget = 0 and attnum > 0";
        self.sql(&format!("{sql} and attrelid = '{table}'::regclass")).await
    }

    pub(crate) async fn count(&self, table: &str) -> u64 {
        self.sql(&format!("select count(*) from {table}")).await.parse().unwrap()
    }

    /// A writer of a lane's stream, at the stored position, or at the beginning.
    pub(crate) async fn writer(&self, lane: Lane) -> Writer {
        self.writer_with(lane, StoreSettings::default()).await
    }

    pub(crate) async fn writer_with(&self, lane: Lane, settings: StoreSettings) -> Writer {
        let mut store = StreamStore::open(&self.addresses(), lane.kind().on(ShardId(0)), settings).await.unwrap();
        let start = Position { incarnation: Incarnation::new(7), seq: 0 };
        let position = store.begin_at(start, None).await.unwrap().position;
        Writer { lane, store, position }
    }
}

impl Writer {
    /// Commits every frame as one of its lane, in as many steps as it takes, and gives the sum.
    pub(crate) async fn commit(&mut self, frames: &[LogFrame]) -> Result<OfLane, CommitError> {
        let frames: Vec<_> = frames.iter().map(|frame| frame.clone().indexed(self.lane)).collect();
        let Committed { frames, position, rows, dead, dead_rows, was_staged, .. } = self.commit_all(&frames).await?;
        let others = rows.iter().filter(|(lane, tally)| *lane != self.lane && tally.rows() > 0).count();
        assert_eq!(others, 0, "rows of lanes without a frame: {rows:?}");
        let dead = dead.into_iter().map(|(lane, reason, rows)| {
            assert_eq!(lane, self.lane);
            (reason, rows)
        });
        Ok(OfLane { frames, position, rows: rows[self.lane], dead: dead.collect(), dead_rows, was_staged })
    }

    /// Commits every frame, in as many steps as it takes, and gives the sum.
    pub(crate) async fn commit_all(&mut self, frames: &[IndexedFrame]) -> Result<Committed, CommitError> {
        let mut rest = frames;
        let mut sum = Committed {
            frames: 0,
            position: self.position,
            rows: PerLane::default(),
            dead: Vec::new(),
            dead_rows: Vec::new(),
            was_staged: false,
            views: None,
            eventful: Vec::new(),
            restated: Vec::new(),
            away: Vec::new(),
            taken: Vec::new(),
            unparked: Vec::new(),
        };
        while !rest.is_empty() {
            let committed = self.store.commit(rest, self.position, &[], &SentOn::new()).await?;
            assert!(committed.frames > 0, "a commit without progress");
            rest = &rest[committed.frames..];
            self.position = committed.position;
            sum.frames += committed.frames;
            sum.position = committed.position;
            sum.rows = PerLane::from_fn(|lane| sum.rows[lane] + committed.rows[lane]);
            sum.dead.extend(committed.dead);
            sum.dead_rows.extend(committed.dead_rows);
            sum.was_staged |= committed.was_staged;
            sum.eventful.extend(committed.eventful);
            sum.restated.extend(committed.restated);
            sum.away.extend(committed.away);
            sum.unparked.extend(committed.unparked);
            sum.taken.extend(committed.taken);
            sum.views = committed.views.or(sum.views);
        }
        Ok(sum)
    }

    /// What became of the rows of its lane.
    pub(crate) async fn stored_tally(&mut self) -> Result<Tally, StoreError> {
        Ok(self.stored_tallies().await?[self.lane])
    }

    /// What became of the rows of each lane.
    pub(crate) async fn stored_tallies(&mut self) -> Result<PerLane<Tally>, StoreError> {
        Ok(self.store.position().await?.unwrap().rows)
    }
}

pub(crate) fn tally(stored: u64, duplicate: u64, dead: u64) -> Tally {
    Tally { stored, duplicate, dead, ..Tally::default() }
}
