//! What the tests share: a database of their own, and a lane of it.

use forebay_model::{Incarnation, Lane, Position};
use forebay_shard::{
    CommitError, Committed, LaneSettings, LaneStore, LogFrame, ShardAddresses, StoreError, Tally, migrate,
};
use forebay_testkit::Databases;

pub(crate) struct Scene {
    databases: Databases,
    pub(crate) url: String,
}

/// A lane's store and the position that its owner believes in, as a writer has them.
pub(crate) struct Writer {
    pub(crate) lane: Lane,
    pub(crate) store: LaneStore,
    pub(crate) position: Position,
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

    /// A writer at the stored position, or at the beginning.
    pub(crate) async fn writer(&self, lane: Lane) -> Writer {
        self.writer_with(lane, LaneSettings::default()).await
    }

    pub(crate) async fn writer_with(&self, lane: Lane, settings: LaneSettings) -> Writer {
        let mut store = LaneStore::open(&self.addresses(), lane, settings).await.unwrap();
        let start = Position { incarnation: Incarnation::new(7), seq: 0 };
        let position = store.begin_at(start).await.unwrap().position;
        Writer { lane, store, position }
    }
}

impl Writer {
    /// Commits every frame, in as many steps as it takes, and gives the sum.
    pub(crate) async fn commit(&mut self, frames: &[LogFrame]) -> Result<Committed, CommitError> {
        let frames: Vec<_> = frames.iter().map(|frame| frame.clone().indexed(self.lane)).collect();
        let mut rest = &frames[..];
        let mut sum = Committed {
            frames: 0,
            position: self.position,
            rows: Tally::default(),
            dead: Vec::new(),
            was_staged: false,
        };
        while !rest.is_empty() {
            let committed = self.store.commit(rest, self.position).await?;
            assert!(committed.frames > 0, "a commit without progress");
            rest = &rest[committed.frames..];
            self.position = committed.position;
            sum.frames += committed.frames;
            sum.position = committed.position;
            sum.rows = sum.rows + committed.rows;
            sum.dead.extend(committed.dead);
            sum.was_staged |= committed.was_staged;
        }
        Ok(sum)
    }

    pub(crate) async fn stored_tally(&mut self) -> Result<Tally, StoreError> {
        Ok(self.store.position().await?.unwrap().rows)
    }
}

pub(crate) fn tally(stored: u64, duplicate: u64, dead: u64) -> Tally {
    Tally { stored, duplicate, dead }
}
