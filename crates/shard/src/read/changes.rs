//! What was stored, in the order of the log: orders and events by the place at which each was first stored.
//!
//! A row keeps its place, whatever becomes of it later; duplicates and dead letters have none. Once a shard has committed up to a position,
//! everything that was stored up to there is there, so that a reader need never come back. Makings of the logged stream lie one
//! behind the other. Rows that came with their unit keep the place that they have in the log of the shard that they were first stored on, and are read there, too.

use std::sync::Arc;

use forebay_model::{Bucket, Incarnation, Position, ShardId, StreamKind, Timestamp};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Executor, Row as _};

use super::said::ShardOwnership;
use super::scope::Subject;
use super::statement::OrderRow;
use super::statement::sql::ORDER;
use crate::owner::units;
use crate::partition::{Span, read_ranges};
use crate::place::PlaceLog;
use crate::timestamptz::Timestamptz;

/// Rows that are read together; each may have some 256 KiB.
const ROWS_AT_A_TIME: usize = 64;
/// Partitions that one statement is over.
const PARTITIONS: usize = 32;
/// Frames that are looked through at a time for what few of them have: of one customer, or of one tenant of several.
const FRAMES_OF_FEW: u64 = 2000;

/// A fact that was stored.
#[derive(Debug)]
pub struct Change {
    /// The frame of the log that brought it.
    pub seq: u64,
    /// What it is routed by.
    pub bucket: Bucket,
    /// What it is.
    pub fact: Stored,
}

/// A fact of a logged lane.
#[derive(Debug)]
pub enum Stored {
    /// An order, as it was placed.
    Order(OrderRow),
    /// Something that happened to one.
    Event(EventRow),
}

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Of which order.
    pub order_id: String,
    /// Of which customer; empty where the order's id leads there.
    pub customer_id: String,
    /// Which event of its order.
    pub event_id: String,
    /// What happened.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// The text of a JSON object: every other field.
    pub content: String,
}

/// What was stored behind a position.
#[derive(Debug, Default)]
pub struct Changes {
    /// In the order of the log, all of the last frame.
    pub changes: Vec<Change>,
    /// Where to go on: everything up to here is given. `None` before the first commit.
    pub read_to: Option<Position>,
    /// Whether that is all that there was.
    pub is_all: bool,
    /// How far the log was that is read, in the snapshot of the rows.
    pub position: Option<Position>,
    /// What the shard says of all units there.
    pub units: Arc<ShardOwnership>,
}

/// Which rows of a shard are read, whether it owns their units or not.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// Those that were first stored from the log of that shard.
    pub log: ShardId,
    /// Behind a position of it, or its beginning.
    pub behind: Option<Position>,
    /// Up to a position of it, where it is another shard's: what of it has come here with its unit. Else up to this shard's position.
    pub upto: Option<Position>,
}

/// How much is read at a time; a frame is never cut.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    /// The most rows, but for those of the last frame.
    pub rows: usize,
    /// The most bytes of texts, but for those of the last frame.
    pub bytes: usize,
}

/// Frames of one log, and which of their rows.
#[derive(Clone, Copy)]
struct FrameSpan<'a> {
    log: i16,
    behind: u64,
    upto: u64,
    /// Whose rows.
    subject: &'a Subject,
}

/// What was read of a table.
struct Side {
    changes: Vec<Change>,
    /// The frame up to which that is all; nothing where nothing follows.
    read_to: Option<u64>,
}

impl Changes {
    /// Reads a stretch of a logged stream, of a subject's orders. Of what the key of a view sees it gives nothing: that has no place in a log. `known` is what
    /// is known of that which the shard says of all units.
    ///
    /// # Errors
    /// What the shard says.
    pub async fn read(
        connection: &mut PgConnection,
        subject: &Subject,
        stretch: Stretch,
        amount: Amount,
        known: Option<&Arc<ShardOwnership>>,
    ) -> Result<Self, sqlx::Error> {
        const LOCK: &str = "lock table only orders in access share mode";
        const AT: &str = "select incarnation, stream_seq, units from stream_position where stream = 'logged'";
        let behind = stretch.behind;
        if matches!(subject, Subject::View { .. }) {
            return Ok(Self { read_to: behind, is_all: true, ..Self::default() });
        }
        let mut snapshot = connection.begin_with("begin isolation level repeatable read read only").await?;
        // Before there is a snapshot: on a replica, a partition that takes the place of others would look empty in one from before.
        snapshot.execute(LOCK).await?;
        let at: Option<(i64, i64, i64)> = sqlx::query_as(AT).fetch_optional(&mut *snapshot).await?;
        let found = match at {
            None => Self { read_to: behind, is_all: true, ..Self::default() },
            Some((incarnation, seq, mark)) => {
                let incarnation = Incarnation::new(incarnation.cast_unsigned());
                let own = Position { incarnation, seq: seq.cast_unsigned() };
                let position = stretch.upto.unwrap_or(own);
                let found = Self::in_snapshot(&mut snapshot, subject, stretch, position, amount).await?;
                let units = match known.filter(|known| known.mark == mark) {
                    Some(known) => Arc::clone(known),
                    None => Arc::new(ShardOwnership::read(&mut snapshot, StreamKind::Logged).await?),
                };
                Self { units, position: Some(position), ..found }
            }
        };
        snapshot.commit().await?;
        Ok(found)
    }

    async fn in_snapshot(
        snapshot: &mut PgConnection,
        subject: &Subject,
        Stretch { log: of, behind, .. }: Stretch,
        position: Position,
        amount: Amount,
    ) -> Result<Self, sqlx::Error> {
        let given = |changes, read_to, is_all| Self { changes, read_to, is_all, ..Self::default() };
        // A shard that was set back gives nothing until it has come there again.
        if behind.is_some_and(|behind| behind.covers(position) || behind.incarnation > position.incarnation) {
            return Ok(given(Vec::new(), behind, true));
        }
        let logs = PlaceLog::all(snapshot).await?;
        let logs: Vec<PlaceLog> =
            logs.into_iter().filter(|log| log.shard == of && log.incarnation <= position.incarnation).collect();
        // Where nothing was stored of a making, the next one follows: later ones have larger incarnations.
        let first = behind.map_or(0, |behind| {
            logs.iter().position(|log| log.incarnation >= behind.incarnation).unwrap_or(logs.len())
        });
        for log in &logs[first..] {
            let start = behind.filter(|behind| behind.incarnation == log.incarnation).map_or(0, |behind| behind.seq);
            let is_present = log.incarnation == position.incarnation;
            let upto = if is_present { position.seq } else { i64::MAX.cast_unsigned() };
            // Of a making that is over, everything is looked through at once.
            let is_of_few = subject.only_customer().is_some() || !subject.tenant().is_none();
            let at_once = if is_of_few && is_present { upto.min(start.saturating_add(FRAMES_OF_FEW)) } else { upto };
            let part = FrameSpan { log: log.number, behind: start, upto: at_once, subject };
            let Side { changes, read_to } = part.read(snapshot, amount).await?;
            let read_to = read_to.or((at_once < upto).then_some(at_once));
            let at = |seq| Position { incarnation: log.incarnation, seq };
            if let Some(seq) = read_to {
                return Ok(given(changes, Some(at(seq)), false));
            }
            if !changes.is_empty() && !is_present {
                let last = changes.last().map_or(start, |change| change.seq);
                return Ok(given(changes, Some(at(last)), false));
            }
            if is_present {
                return Ok(given(changes, Some(position), true));
            }
        }
        Ok(given(Vec::new(), Some(position), true))
    }

    /// What several shards have of one log, up to the position that all were read to.
    #[must_use]
    pub fn together(all: Vec<Self>) -> Self {
        let place = |position: &Position| (position.incarnation, position.seq);
        let read_to = all.iter().filter_map(|part| part.read_to).min_by_key(place);
        let is_all = all.iter().all(|part| part.is_all);
        let position = all.iter().find_map(|part| part.position);
        // All that one has read is of one making.
        let here =
            all.into_iter().filter(|part| part.read_to.map(|at| at.incarnation) == read_to.map(|at| at.incarnation));
        let mut changes: Vec<Change> = here.flat_map(|part| part.changes).collect();
        changes.sort_by_key(|change| change.seq);
        changes.truncate(changes.partition_point(|change| read_to.is_some_and(|last| change.seq <= last.seq)));
        Self { changes, read_to, is_all, position, units: Arc::default() }
    }
}

impl FrameSpan<'_> {
    /// The first of its rows: of as many whole frames as have the amount.
    async fn read(self, connection: &mut PgConnection, amount: Amount) -> Result<Side, sqlx::Error> {
        let ranges = read_ranges(&mut *connection, "orders").await?;
        let mut sides = vec![self.events(&mut *connection, amount).await?];
        for window in ranges.windows(PARTITIONS) {
            sides.push(self.orders(&mut *connection, window, amount).await?);
        }
        Ok(merged(sides, amount))
    }

    /// The window's ends stand in the statement as they are, so that it is planned for the partitions between them alone.
    async fn orders(self, connection: &mut PgConnection, window: Span, amount: Amount) -> Result<Side, sqlx::Error> {
        let [from, to] = [window.from, window.to].map(Timestamp::from_unix_us);
        let sql = format!(
            "select {ORDER}, null::jsonb, place_seq, bucket from orders where place_log = $1 and place_seq > $2 and place_seq <= $3 \
                and tenant = $5 and ordered_at >= '{from}' and ordered_at < '{to}' {} order by place_seq fetch first ($4) rows with ties",
            self.subject.only_customer().map_or("", |_| "and customer_id = $6 ")
        );
        let order = |row: &PgRow| OrderRow::of(row).map(|row| (row.bytes(), Stored::Order(row)));
        self.rows(connection, &sql, order, amount).await
    }

    async fn events(self, connection: &mut PgConnection, amount: Amount) -> Result<Side, sqlx::Error> {
        let sql = format!(
            "select order_id, customer_id, event_id, kind, happened_at, content::text, place_seq, bucket from order_events \
                where place_log = $1 and place_seq > $2 and place_seq <= $3 and tenant = $5 {} order by place_seq fetch first ($4) rows with ties",
            self.subject.only_customer().map_or("", |_| OF_CUSTOMER)
        );
        let event = |row: &PgRow| {
            let event = EventRow::from_row(row)?;
            Ok((event.content.len() + event.order_id.len(), Stored::Event(event)))
        };
        self.rows(connection, &sql, event, amount).await
    }

    /// Some at a time, so that nothing is read that is not given: of each piece the last frame is whole.
    async fn rows(
        self,
        connection: &mut PgConnection,
        sql: &str,
        read: impl Fn(&PgRow) -> Result<(usize, Stored), sqlx::Error>,
        amount: Amount,
    ) -> Result<Side, sqlx::Error> {
        let number = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
        let wanted = amount.rows.clamp(1, ROWS_AT_A_TIME);
        let (mut changes, mut bytes, mut behind) = (Vec::new(), 0, self.behind);
        loop {
            let query = sqlx::query(AssertSqlSafe(sql.to_owned()))
                .bind(self.log)
                .bind(number(behind))
                .bind(number(self.upto))
                .bind(wanted as i64)
                .bind(self.subject.tenant().as_str());
            let query = match self.subject.only_customer() {
                Some(customer_id) => query.bind(customer_id),
                None => query,
            };
            let rows = query.persistent(false).fetch_all(&mut *connection).await?;
            for row in &rows {
                behind = row.try_get::<i64, _>("place_seq")?.cast_unsigned();
                let (more, fact) = read(row)?;
                bytes += more;
                let bucket = units::bucket(row.try_get("bucket")?)?;
                changes.push(Change { seq: behind, bucket, fact });
            }
            if rows.len() < wanted {
                return Ok(Side { changes, read_to: None });
            }
            if changes.len() >= amount.rows || bytes >= amount.bytes {
                return Ok(Side { changes, read_to: Some(behind) });
            }
        }
    }
}

/// That an event is one of a customer's orders. An id that leads to its order itself leads to a bucket, which others are in, too: there the
/// order says whose it is. It tells its time in its first twelve digits.
const OF_CUSTOMER: &str = "and (customer_id = $6 or customer_id = '' and exists (select from orders o \
    where o.bucket = order_events.bucket and o.tenant = order_events.tenant and o.customer_id = $6 and o.order_id = order_events.order_id \
        and o.ordered_at >= 'epoch'::timestamptz + ('x' || left(replace(order_events.order_id, '-', ''), 12))::bit(48)::int8 * interval '1 ms' \
        and o.ordered_at < 'epoch'::timestamptz + (('x' || left(replace(order_events.order_id, '-', ''), 12))::bit(48)::int8 + 1) * interval '1 ms') \
    or customer_id = '' and exists (select from order_time t where t.bucket = order_events.bucket and t.tenant = order_events.tenant \
        and t.order_id = order_events.order_id and t.customer_id = $6))";

impl EventRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            order_id: row.try_get(0)?,
            customer_id: row.try_get(1)?,
            event_id: row.try_get(2)?,
            kind: row.try_get(3)?,
            at: row.try_get::<Timestamptz, _>(4)?.0,
            content: row.try_get(5)?,
        })
    }
}

/// The rows of all sides up to the frame that all are read to, and of those about the amount: whole frames.
fn merged(sides: Vec<Side>, amount: Amount) -> Side {
    let mut read_to = sides.iter().filter_map(|side| side.read_to).min();
    let mut changes: Vec<Change> = sides.into_iter().flat_map(|side| side.changes).collect();
    // A stable sort: of one frame, events first, then orders by their windows.
    changes.sort_by_key(|change| change.seq);
    if let Some(last) = read_to {
        changes.truncate(changes.partition_point(|change| change.seq <= last));
    }
    let cut = changes.get(amount.rows.saturating_sub(1)).map(|change| change.seq);
    if let Some(seq) = cut.filter(|&seq| changes.last().is_some_and(|last| last.seq > seq)) {
        changes.truncate(changes.partition_point(|change| change.seq <= seq));
        read_to = Some(seq);
    }
    Side { changes, read_to }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::Tenant;
    use proptest::prelude::*;

    fn event(seq: u64, id: usize) -> Change {
        let fact = Stored::Event(EventRow {
            order_id: String::new(),
            customer_id: String::new(),
            event_id: id.to_string(),
            kind: String::new(),
            at: Timestamp::EARLIEST,
            content: String::new(),
        });
        Change { seq, bucket: Bucket::of_key(Tenant::none(), ""), fact }
    }

    fn id(change: &Change) -> (u64, String) {
        match &change.fact {
            Stored::Event(event) => (change.seq, event.event_id.clone()),
            Stored::Order(_) => unreachable!("there are only events"),
        }
    }

    /// What a table gives behind a frame.
    fn side(rows: &[(u64, usize)], behind: u64, limit: usize) -> Side {
        let mut changes: Vec<Change> = Vec::new();
        for &(seq, id) in rows.iter().filter(|(seq, _)| *seq > behind) {
            if let Some(last) = changes.last().map(|last| last.seq).filter(|&last| changes.len() >= limit && last < seq)
            {
                return Side { changes, read_to: Some(last) };
            }
            changes.push(event(seq, id));
        }
        Side { changes, read_to: None }
    }

    /// What a shard gives of a log, whose rows it has by making and frame.
    fn part(rows: &[(Position, usize)], behind: Option<Position>, upto: Position, limit: usize) -> Changes {
        let place = |at: Position| (at.incarnation, at.seq);
        let is_behind =
            |at: Position| behind.is_none_or(|behind| place(at) > place(behind)) && place(at) <= place(upto);
        let rest: Vec<_> = rows.iter().filter(|(at, _)| is_behind(*at)).collect();
        let given =
            |changes, read_to, is_all| Changes { changes, read_to: Some(read_to), is_all, ..Changes::default() };
        let Some(making) = rest.first().map(|(at, _)| at.incarnation) else { return given(Vec::new(), upto, true) };
        let of_making: Vec<_> =
            rest.iter().filter(|(at, _)| at.incarnation == making).map(|(at, id)| (at.seq, *id)).collect();
        let Side { changes, read_to } = side(&of_making, 0, limit);
        let last = changes.last().map_or(0, |change| change.seq);
        match read_to {
            Some(seq) => given(changes, Position { incarnation: making, seq }, false),
            None if making == upto.incarnation => given(changes, upto, true),
            None => given(changes, Position { incarnation: making, seq: last }, false),
        }
    }

    proptest! {
        #[test]
        fn a_log_whose_rows_are_on_several_shards_is_given_once_and_in_order(
            rows in prop::collection::vec((1u64..4, 1u64..12, 0usize..3), 0..60),
            limit in 1usize..6,
        ) {
            let at = |making, seq| Position { incarnation: Incarnation::new(making), seq };
            let mut shards = vec![Vec::new(); 3];
            let mut all: Vec<_> = rows.iter().enumerate().map(|(id, &(making, seq, shard))| (at(making, seq), id, shard)).collect();
            all.sort_by_key(|(at, id, _)| (at.incarnation, at.seq, *id));
            for &(at, id, shard) in &all {
                shards[shard].push((at, id));
            }
            let (mut behind, mut given) = (None, Vec::new());
            loop {
                let upto = at(3, 20);
                let together = Changes::together(shards.iter().map(|rows| part(rows, behind, upto, limit)).collect());
                let read_to = together.read_to.unwrap();
                given.extend(together.changes.iter().map(|change| (read_to.incarnation, id(change))));
                prop_assert!(behind.is_none_or(|behind: Position| (behind.incarnation, behind.seq) < (read_to.incarnation, read_to.seq)));
                behind = Some(read_to);
                if together.is_all {
                    break;
                }
            }
            let frames: Vec<_> = given.iter().map(|(making, (seq, _))| (*making, *seq)).collect();
            prop_assert!(frames.is_sorted());
            let mut given: Vec<String> = given.into_iter().map(|(_, (_, id))| id).collect();
            let mut expected: Vec<String> = all.iter().map(|(_, id, _)| id.to_string()).collect();
            given.sort();
            expected.sort();
            prop_assert_eq!(given, expected);
        }

        #[test]
        fn piece_by_piece_everything_is_given_once_in_whole_frames(
            rows in prop::collection::vec((1u64..30, 0usize..4), 0..80),
            limit in 1usize..9,
        ) {
            let mut tables = vec![Vec::new(); 4];
            let mut all: Vec<(u64, usize)> = rows.iter().enumerate().map(|(id, (seq, _))| (*seq, id)).collect();
            all.sort_unstable();
            for &(seq, id) in &all {
                tables[rows[id].1].push((seq, id));
            }
            let (mut behind, mut given) = (0, Vec::new());
            loop {
                let sides = tables.iter().map(|rows| side(rows, behind, limit)).collect();
                let Side { changes, read_to } = merged(sides, Amount { rows: limit, bytes: 1 << 20 });
                prop_assert!(changes.iter().all(|change| change.seq > behind));
                if let Some(last) = read_to {
                    // Whole frames, and at least one.
                    let expected = all.iter().filter(|(seq, _)| *seq > behind && *seq <= last).count();
                    prop_assert!(changes.len() == expected && expected > 0);
                    behind = last;
                }
                given.extend(changes.iter().map(id));
                if read_to.is_none() {
                    break;
                }
            }
            given.sort();
            let mut expected: Vec<_> = all.iter().map(|(seq, id)| (*seq, id.to_string())).collect();
            expected.sort();
            prop_assert_eq!(given, expected);
        }
    }
}
