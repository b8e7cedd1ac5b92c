//! What a shard says of units: in the snapshot of rows of the one that is read, and of all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_model::ownership::{Ownership, Unit};
use forebay_model::{Bucket, Incarnation, Position, ShardId, ShardMap, StreamKind};
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::owner::units;

/// What a shard says of units, in the snapshot of the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowsOwnership {
    /// 0 as long as every row up to the position was decided here. Else another number for all that is said of units: as long as it is the same, none has
    /// changed its state.
    pub mark: i64,
    /// What was said of the unit that is read.
    unit: Option<Ownership>,
    /// The frame of the first of its rows that are parked.
    pub parked_from: Option<u64>,
    /// What was said of all units, where the statement is over all of them and the mark is not the one that was known.
    all: Option<Arc<BTreeMap<Bucket, Ownership>>>,
}

/// All that a shard says of the units of a kind of streams.
#[derive(Clone, Debug, Default)]
pub struct ShardOwnership {
    /// How far the stream is committed; `None` where it was never read.
    pub position: Option<Position>,
    /// As of [`RowsOwnership`].
    pub mark: i64,
    /// The frame of the first row of all that are parked.
    pub parked_from: Option<u64>,
    said: Arc<BTreeMap<Bucket, Ownership>>,
}

impl RowsOwnership {
    /// Reads `[mark, [version, said] or null, frame or null, [[bucket, version, said], ..] or null]`.
    pub(super) fn parse(json: &[u8]) -> Result<Self, sqlx::Error> {
        let refused = |error: serde_json::Error| sqlx::Error::Decode(error.into());
        let (mark, Told(unit), parked_from, ToldOfAll(all)) =
            serde_json::from_slice::<(i64, Told<'_>, Option<u64>, ToldOfAll<'_>)>(json).map_err(refused)?;
        let unit = unit.map(|(version, said)| units::ownership(version, said.get())).transpose()?;
        let each = |(bucket, version, said): (i16, i16, &RawValue)| {
            Ok::<_, sqlx::Error>((units::bucket(bucket)?, units::ownership(version, said.get())?))
        };
        let all = all.map(|all| all.into_iter().map(each).collect::<Result<_, _>>()).transpose()?.map(Arc::new);
        Ok(Self { mark, unit, parked_from, all })
    }

    /// What the shard says of all units at that position, where `known` is what the statement was told to be known.
    pub(super) fn all_units(&self, position: Position, known: Option<&Arc<ShardOwnership>>) -> Arc<ShardOwnership> {
        match known.filter(|known| known.mark == self.mark) {
            Some(known) => Arc::clone(known),
            None => {
                let said = self.all.clone().unwrap_or_default();
                Arc::new(ShardOwnership { position: Some(position), mark: self.mark, parked_from: None, said })
            }
        }
    }

    /// What the shard `here` says of the unit that is read, at that position.
    pub fn ownership(&self, map: &ShardMap, here: ShardId, unit: Unit, position: Option<Position>) -> Ownership {
        let at_first = || units::at_first(map, here, unit.bucket(), incarnation(position));
        map.read(unit, self.unit.clone().unwrap_or_else(at_first))
    }
}

#[derive(Deserialize)]
struct Told<'a>(#[serde(borrow)] Option<(i16, &'a RawValue)>);

#[derive(Deserialize)]
struct ToldOfAll<'a>(#[serde(borrow)] Option<Vec<(i16, i16, &'a RawValue)>>);

impl ShardOwnership {
    /// Whether it has come to a position, and nothing up to there waits.
    pub fn has_decided(&self, position: Position) -> bool {
        self.position.is_some_and(|here| here.covers(position))
            && self.parked_from.is_none_or(|parked| parked > position.seq)
    }

    /// Reads it: one statement, one snapshot.
    ///
    /// # Errors
    /// What the shard says.
    pub async fn read(connection: &mut PgConnection, stream: StreamKind) -> Result<Self, sqlx::Error> {
        const SQL: &str = "select incarnation, stream_seq, units, \
                (select min(w.stream_seq) from parked w where w.stream = p.stream) as parked_from, bucket, version, said::text as said \
            from stream_position p left join unit_owner u on u.stream = p.stream where p.stream = $1";
        let (mut read, mut of_units) = (Self::default(), BTreeMap::new());
        for row in sqlx::query(SQL).bind(stream.as_str()).fetch_all(connection).await? {
            let unsigned = |column| row.try_get::<i64, _>(column).map(i64::cast_unsigned);
            let incarnation = Incarnation::new(unsigned("incarnation")?);
            read.position = Some(Position { incarnation, seq: unsigned("stream_seq")? });
            read.mark = row.try_get("units")?;
            read.parked_from = row.try_get::<Option<i64>, _>("parked_from")?.map(i64::cast_unsigned);
            if let Some(bucket) = row.try_get("bucket")? {
                let said = units::ownership(row.try_get("version")?, row.try_get("said")?)?;
                of_units.insert(units::bucket(bucket)?, said);
            }
        }
        Ok(Self { said: Arc::new(of_units), ..read })
    }

    /// What a shard says at a position where its mark is that one.
    pub fn new(position: Position, mark: i64, said: BTreeMap<Bucket, Ownership>) -> Self {
        Self { position: Some(position), mark, parked_from: None, said: Arc::new(said) }
    }

    /// What the shard `here` says of a unit of that kind of streams.
    pub fn of(&self, map: &ShardMap, here: ShardId, unit: Unit) -> Ownership {
        let at_first = || units::at_first(map, here, unit.bucket(), incarnation(self.position));
        map.read(unit, self.said.get(&unit.bucket()).cloned().unwrap_or_else(at_first))
    }

    /// Where the last rows lie that were sent on to each shard, of whatever unit.
    pub fn edges(&self) -> BTreeMap<ShardId, Position> {
        let mut edges = Ownership::default();
        for (&to, &at) in self.said.values().flat_map(|said| &said.edges) {
            edges.note_edge(to, at);
        }
        edges.edges
    }
}

/// The making of a stream. Of one that was never read there is no frame that anybody could ask for.
fn incarnation(position: Option<Position>) -> Incarnation {
    position.map_or(Incarnation::new(0), |position| position.incarnation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::Epoch;
    use forebay_model::ownership::State;

    #[test]
    fn what_a_later_version_says_of_a_unit_is_not_passed_over() {
        let said = |json: &str| RowsOwnership::parse(json.as_bytes());
        let nothing = said("[7, null, null, null]").unwrap();
        assert_eq!(nothing, RowsOwnership { mark: 7, ..RowsOwnership::default() });
        let owned = said(r#"[7, [1, {"state": {"released": {"to": 1}}, "epoch": 3}], 12, null]"#).unwrap();
        assert_eq!(owned.unit.as_ref().map(|unit| unit.state), Some(State::Released { to: ShardId(1) }));
        assert_eq!(owned.parked_from, Some(12));
        assert!(said(r#"[7, [2, {"state": "owned", "epoch": 3}], null, null]"#).is_err());
        assert!(said(r#"[7, [1, {"state": "owned", "epoch": 3, "more": 1}], null, null]"#).is_err());
        assert!(said(r#"[7, null, null, [[5, 2, {"state": "owned", "epoch": 3}]]]"#).is_err());
    }

    #[test]
    fn what_is_said_of_all_units_is_what_is_known_as_long_as_the_mark_is_the_same() {
        let position = Position { incarnation: Incarnation::new(1), seq: 4 };
        let of_all = |json: &str, known: Option<&Arc<ShardOwnership>>| {
            RowsOwnership::parse(json.as_bytes()).unwrap().all_units(position, known)
        };
        let first = of_all(r#"[7, null, null, [[5, 1, {"state": "owned", "epoch": 3}]]]"#, None);
        assert_eq!((first.mark, first.position, first.said.len()), (7, Some(position), 1));
        assert!(Arc::ptr_eq(&first, &of_all("[7, null, null, null]", Some(&first))));
        let second =
            of_all(r#"[8, null, null, [[5, 1, {"state": {"cleaned": {"to": 1}}, "epoch": 4}]]]"#, Some(&first));
        let bucket = Bucket::try_from(5).unwrap();
        assert_eq!((second.mark, second.said[&bucket].epoch), (8, Epoch(4)));
    }
}
