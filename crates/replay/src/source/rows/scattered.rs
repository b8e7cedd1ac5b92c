//! Brings rows of an order together that do not stand together.
//!
//! An order is given out when enough lines have followed its last row that no further one is allowed to belong to it. Its
//! rows wait in a [`RowLog`], in memory and on disk; in memory there is an entry for each open order. A row that comes later
//! than that is given out as one of an order that is gone, so that it is refused, and told, with its line.
//!
//! Of orders that are gone the last [`GONE_MAX`] are known. A row that is later still is an order of its own, which meets in
//! Forebay what is stored under its id, and is a conflict, which is told, too.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::Arc;

use csv::ByteRecord;
use xxhash_rust::xxh3::xxh3_128;

use super::columns::{Columns, TableRow};
use super::row_log::{RowAt, RowLog};
use super::{RowPlace, Rows};
use crate::map::Map;
use crate::map::value::Fault;

/// How many bytes of rows wait in memory.
const MEMORY_BYTES: usize = 8 * 1024 * 1024;
/// How many orders are known that are gone: not more than half of what a table of 2^20 places takes. Where as many come as go, a fuller one
/// grows, to twice the memory.
const GONE_MAX: usize = 450_000;

/// The rows of another source, those of an order one behind the other.
pub(super) struct Scattered<R> {
    inner: R,
    header: ByteRecord,
    map: Arc<Map>,
    columns: Arc<Columns>,
    lines_apart: u64,
    log: RowLog,
    open: HashMap<OrderKey, Open>,
    /// Rows in the order of the file: an order ends when the entry of its last row comes first.
    ends: VecDeque<(u64, OrderKey)>,
    gone: Gone,
    /// The rows of the order that is being given out, the next one last.
    ready: Vec<(ByteRecord, RowPlace)>,
    /// The row that was read, and its place until it is kept.
    read: ByteRecord,
    read_place: Option<RowPlace>,
    /// The order of the row before.
    before: Option<OrderKey>,
    /// The line of the row that was read last.
    line: u64,
    is_at_end: bool,
}

/// A hash of an order id. That two ids have one is less likely than that the disk errs.
type OrderKey = u128;

/// An order whose rows are not all there.
struct Open {
    last_row: RowAt,
    last_line: u64,
    is_late: bool,
}

/// The orders that were given out last, by half of their keys: that an order has the half of one of so few is as unlikely.
#[derive(Default)]
struct Gone {
    keys: HashSet<u64>,
    by_age: VecDeque<u64>,
}

impl<R: Rows> Scattered<R> {
    pub(super) fn new(inner: R, header: ByteRecord, map: Arc<Map>, columns: Arc<Columns>, lines_apart: u64) -> Self {
        Self {
            inner,
            header,
            map,
            columns,
            lines_apart,
            log: RowLog::new(MEMORY_BYTES),
            open: HashMap::new(),
            ends: VecDeque::new(),
            gone: Gone::default(),
            ready: Vec::new(),
            read: ByteRecord::new(),
            read_place: None,
            before: None,
            line: 0,
            is_at_end: false,
        }
    }

    /// Keeps the row in hand with the others of its order. False where it is of none, and so belongs nowhere else than here.
    fn keep(&mut self, row: &ByteRecord, line: u64) -> io::Result<bool> {
        let table_row = TableRow { columns: &self.columns, fields: row };
        if super::is_passed_over(&self.map, &table_row, &self.header) {
            return Ok(false);
        }
        let Some(key) = self.key(row) else { return Ok(false) };
        self.before = Some(key);
        match self.open.entry(key) {
            Entry::Occupied(mut open) => {
                let open = open.get_mut();
                open.last_row = self.log.push(line, row, Some(open.last_row))?;
                open.last_line = line;
            }
            Entry::Vacant(entry) => {
                let last_row = self.log.push(line, row, None)?;
                entry.insert(Open { last_row, last_line: line, is_late: self.gone.has(key) });
            }
        }
        self.ends.push_back((line, key));
        Ok(true)
    }

    /// Which order the row is of; nothing where its id is empty or wrong.
    fn key(&self, row: &ByteRecord) -> Option<OrderKey> {
        let order_id = self.map.order_id.as_ref()?;
        let row = TableRow { columns: &self.columns, fields: row };
        match order_id.text(&row) {
            Ok(id) if !id.is_empty() => Some(key(&id, self.map.event.as_ref().map(|event| event.id.text(&row)))),
            // A row that is too short to have an id is taken for a part of the order before it.
            Ok(_) if self.map.blank_is_as_before || row.fields.len() < self.columns.count => self.before,
            _ => None,
        }
    }

    /// Makes the rows of the next order ready that no further row can belong to.
    fn end_one(&mut self) -> io::Result<bool> {
        while let Some(&(line, key)) = self.ends.front() {
            if !self.is_at_end && self.line <= line + self.lines_apart {
                return Ok(false);
            }
            self.ends.pop_front();
            // A later row has an entry of its own.
            if self.open.get(&key).is_none_or(|open| open.last_line != line) {
                continue;
            }
            let Some(Open { last_row, is_late, .. }) = self.open.remove(&key) else { continue };
            self.gone.note(key);
            let mut next = Some(last_row);
            while let Some(at) = next {
                let kept = self.log.take(at)?;
                self.ready.push((kept.fields, RowPlace { line: kept.line, is_late }));
                next = kept.before;
            }
            return Ok(true);
        }
        Ok(false)
    }
}

/// That of an order, or of one of its events.
fn key(order_id: &str, event_id: Option<Result<Cow<'_, str>, Fault>>) -> OrderKey {
    let Some(event_id) = event_id else { return xxh3_128(order_id.as_bytes()) };
    let event_id = event_id.unwrap_or_else(|fault| Cow::Owned(fault.text));
    xxh3_128([order_id, &event_id].join("\0").as_bytes())
}

const fn half(key: OrderKey) -> u64 {
    key as u64
}

impl Gone {
    fn has(&self, key: OrderKey) -> bool {
        self.keys.contains(&half(key))
    }

    fn note(&mut self, key: OrderKey) {
        if self.keys.insert(half(key)) {
            self.by_age.push_back(half(key));
        }
        if self.by_age.len() > GONE_MAX
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.keys.remove(&oldest);
        }
    }
}

impl<R: Rows> Rows for Scattered<R> {
    fn next(&mut self, row: &mut ByteRecord) -> io::Result<Option<RowPlace>> {
        loop {
            if let Some((fields, place)) = self.ready.pop() {
                *row = fields;
                return Ok(Some(place));
            }
            // What ends before the row in hand goes before it.
            if self.end_one()? {
                continue;
            }
            if let Some(place) = self.read_place.take() {
                let read = std::mem::take(&mut self.read);
                let is_kept = self.keep(&read, place.line)?;
                self.read = read;
                if !is_kept {
                    std::mem::swap(row, &mut self.read);
                    return Ok(Some(place));
                }
            }
            if self.is_at_end {
                return Ok(None);
            }
            self.read_place = self.inner.next(&mut self.read)?;
            match self.read_place {
                None => self.is_at_end = true,
                Some(place) => self.line = place.line,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::super::csv_rows::CsvRows;
    use super::*;
    use crate::map::tests::RETAIL;

    const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";

    /// The ids and lines that come out, with those that came too late.
    fn gathered(ids: &[String], apart: u64) -> Vec<(String, u64, bool)> {
        let lines: Vec<String> = ids.iter().map(|id| format!("{id},A,x,1,t,1,C,UK\n")).collect();
        let text = lines.concat();
        let map = Arc::new(Map::parse(&format!("lines_apart = {apart}\n{RETAIL}")).unwrap());
        let mut rows = CsvRows::new(Cursor::new(format!("{HEADER}\n{text}")), b',');
        let (mut header, mut row, mut found) = (ByteRecord::new(), ByteRecord::new(), Vec::new());
        rows.next(&mut header).unwrap();
        let columns = Arc::new(Columns::find(&map, &header).unwrap());
        let mut rows = Scattered::new(rows, header, map, columns, apart);
        while let Some(RowPlace { line, is_late }) = rows.next(&mut row).unwrap() {
            found.push((String::from_utf8(row[0].to_vec()).unwrap(), line, is_late));
        }
        assert!(rows.open.is_empty());
        found
    }

    #[test]
    fn a_row_within_the_distance_is_of_its_order_and_one_behind_it_is_late() {
        let ids = ["a", "b", "b", "a", "b", "b", "b", "b", "a"].map(str::to_owned);
        let lines = |apart| gathered(&ids, apart).into_iter().map(|(_, line, late)| (line, late)).collect::<Vec<_>>();
        let (on_time, late) = (|line| (line, false), |line| (line, true));
        // An order goes when it ends.
        assert_eq!(lines(5), [3, 4, 6, 7, 8, 9, 2, 5, 10].map(on_time));
        let mut expected = [2, 5, 3, 4, 6, 7, 8, 9].map(on_time).to_vec();
        expected.push(late(10));
        assert_eq!(lines(3), expected);
    }

    proptest! {
        #[test]
        fn rows_of_an_order_come_together_and_none_is_lost(ids in proptest::collection::vec("[a-e]", 0..60), apart in 1_u64..12) {
            let found = gathered(&ids, apart);
            let mut lines: Vec<u64> = found.iter().map(|(_, line, _)| *line).collect();
            lines.sort_unstable();
            prop_assert_eq!(lines, (2..2 + ids.len() as u64).collect::<Vec<_>>());
            // What is on time is in one group, and within the distance of the row before it.
            let on_time: Vec<_> = found.iter().filter(|(_, _, late)| !late).collect();
            let mut groups: Vec<&str> = on_time.iter().map(|(id, ..)| id.as_str()).collect();
            groups.dedup();
            let names: std::collections::BTreeSet<&str> = groups.iter().copied().collect();
            prop_assert_eq!(names.len(), groups.len());
            for pair in on_time.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
                prop_assert!(pair[0].1 < pair[1].1 && pair[1].1 - pair[0].1 <= apart);
            }
        }
    }
}
