//! What a shard says of units: in the snapshot of rows of the one that is read, and of all of them.

use std::collections::BTreeMap;

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
    said: BTreeMap<Bucket, Ownership>,
}

impl RowsOwnership {
    /// Reads `[mark, [version, said] or null, frame or null]`.
    pub(super) fn parse(json: &[u8]) -> Result<Self, sqlx::Error> {
        let refused = |error: serde_json::Error| sqlx::Error::Decode(error.into());
        let (mark, Told(unit), parked_from) =
            serde_json::from_slice::<(i64, Told<'_>, Option<u64>)>(json).map_err(refused)?;
        let unit = unit.map(|(version, said)| units::ownership(version, said.get())).transpose()?;
        Ok(Self { mark, unit, parked_from })
    }

    /// What the shard `here` says of the unit that is read, at that position.
    pub fn ownership(&self, map: &ShardMap, here: ShardId, unit: Unit, position: Option<Position>) -> Ownership {
        let at_first = || units::at_first(map, here, unit.bucket(), incarnation(position));
        map.read(unit, self.unit.clone().unwrap_or_else(at_first))
    }
}

#[derive(Deserialize)]
struct Told<'a>(#[serde(borrow)] Option<(i16, &'a RawValue)>);

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
        let mut read = Self::default();
        for row in sqlx::query(SQL).bind(stream.as_str()).fetch_all(connection).await? {
            let unsigned = |column| row.try_get::<i64, _>(column).map(i64::cast_unsigned);
            let incarnation = Incarnation::new(unsigned("incarnation")?);
            read.position = Some(Position { incarnation, seq: unsigned("stream_seq")? });
            read.mark = row.try_get("units")?;
            read.parked_from = row.try_get::<Option<i64>, _>("parked_from")?.map(i64::cast_unsigned);
            if let Some(bucket) = row.try_get("bucket")? {
                let said = units::ownership(row.try_get("version")?, row.try_get("said")?)?;
                read.said.insert(units::bucket(bucket)?, said);
            }
        }
        Ok(read)
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
    use forebay_model::ownership::State;

    #[test]
    fn what_a_later_version_says_of_a_unit_is_not_passed_over() {
        let said = |json: &str| RowsOwnership::parse(json.as_bytes());
        let nothing = said("[7, null, null]").unwrap();
        assert_eq!(nothing, RowsOwnership { mark: 7, ..RowsOwnership::default() });
        let owned = said(r#"[7, [1, {"state": {"released": {"to": 1}}, "epoch": 3}], 12]"#).unwrap();
        assert_eq!(owned.unit.as_ref().map(|unit| unit.state), Some(State::Released { to: ShardId(1) }));
        assert_eq!(owned.parked_from, Some(12));
        assert!(said(r#"[7, [2, {"state": "owned", "epoch": 3}], null]"#).is_err());
        assert!(said(r#"[7, [1, {"state": "owned", "epoch": 3, "more": 1}], null]"#).is_err());
    }
}
