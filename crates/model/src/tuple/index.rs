//! The tuples of a payload, found and checked once: what sorting, sifting, partitioning and notices ask of each is noted.

use std::ops::Range;

use super::read::{Framed, frame, leading_fields};
use super::{Tuple, TupleError, Tuples};
use crate::key_hash::hash;
use crate::{Lane, Timestamp};

/// Where the tuples of one payload stand, in its order: 24 bytes for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TupleIndex {
    entries: Vec<TupleEntry>,
    /// By row. Few: a frame without any is the rule.
    faults: Vec<TupleFault>,
    is_torn: bool,
}

/// A tuple of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TupleEntry {
    offset: u32,
    length: u32,
    /// The fact's time.
    pub ordered_at: Timestamp,
    /// The hash of what the fact is looked up by: see [`crate::touched`].
    pub key: u64,
}

/// What is wrong with a tuple.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TupleFault {
    /// Its row. Where the payload is torn, the last one is that of the first tuple whose end cannot be found.
    pub row: u32,
    /// What is wrong. Time and key of its entry say nothing.
    pub error: TupleError,
}

impl TupleIndex {
    /// Walks over a payload. What lies behind 4 GiB counts as torn.
    pub fn of(lane: Lane, payload: &[u8]) -> Self {
        let spec = lane.spec();
        let mut index = Self::default();
        let mut rest = payload.get(..u32::MAX as usize).unwrap_or(payload);
        let mut offset = 0;
        while !rest.is_empty() {
            let row = index.entries.len() as u32;
            let Framed { tuple, fault } = match frame(spec, rest) {
                Ok(framed) => framed,
                Err(error) => {
                    index.faults.push(TupleFault { row, error });
                    index.is_torn = true;
                    break;
                }
            };
            let length = tuple.bytes().len();
            index.entries.push(TupleEntry {
                offset,
                length: length as u32,
                ordered_at: tuple.ordered_at(),
                key: hash(spec.key.iter().map(|&place| tuple.field(place))),
            });
            index.faults.extend(fault.map(|error| TupleFault { row, error }));
            rest = &rest[length..];
            offset += length as u32;
        }
        index
    }

    /// Every tuple whose end was found.
    pub fn entries(&self) -> &[TupleEntry] {
        &self.entries
    }

    /// What is wrong with which of them, and with what follows the last one.
    pub fn faults(&self) -> &[TupleFault] {
        &self.faults
    }

    /// Whether bytes that are no tuple follow the last one.
    pub fn is_torn(&self) -> bool {
        self.is_torn
    }
}

impl TupleEntry {
    /// Its bytes in the payload.
    pub fn range(self) -> Range<usize> {
        self.offset as usize..self.offset as usize + self.length as usize
    }

    /// The tuple, of the payload and the lane that it was found in.
    ///
    /// # Errors
    /// What is wrong with it, where the index has it among the [faults](TupleIndex::faults).
    pub fn read(self, lane: Lane, payload: &[u8]) -> Result<Tuple<'_>, TupleError> {
        let bytes = payload.get(self.range()).ok_or(TupleError::Torn)?;
        Tuples::new(lane, bytes).next().unwrap_or(Err(TupleError::Torn))
    }
}

/// The first bytes of the identity of a tuple that was found before, as a number whose order is theirs. Numbers and times in
/// it are not negative, so it is the order of the primary key, as far as it reaches.
pub fn key_prefix(lane: Lane, tuple: &[u8]) -> u128 {
    let mut key = [0; size_of::<u128>()];
    let mut room = &mut key[..];
    for field in leading_fields(tuple).take(lane.identity().len()) {
        let (to, rest) = room.split_at_mut(field.len().min(room.len()));
        to.copy_from_slice(&field[..to.len()]);
        if rest.is_empty() {
            break;
        }
        room = rest;
    }
    u128::from_be_bytes(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;
    use crate::tuple::push_index_of;
    use proptest::prelude::*;

    #[test]
    fn an_entry_is_as_small_as_the_doc_says() {
        assert_eq!(size_of::<TupleEntry>(), 24);
    }

    fn push(out: &mut Vec<u8>, tenant: &str, order_id: &str, customer_id: &str, ordered_at: Timestamp) {
        let (tenant, order_id, customer_id) = (tenant.as_bytes(), order_id.as_bytes(), customer_id.as_bytes());
        push_index_of(out, 7, &Identity { bucket: 9, tenant, customer_id, ordered_at, order_id });
    }

    proptest! {
        #[test]
        fn the_index_says_of_each_tuple_what_the_tuple_says(
            facts in prop::collection::vec(("[a-c]{0,2}", "[a-c]{0,20}", "[a-c]{0,3}", 0i64..4_000_000_000_000_000), 0..20),
            tail in prop::collection::vec(any::<u8>(), 0..3),
        ) {
            let mut payload = Vec::new();
            for (tenant, order_id, customer_id, us) in &facts {
                push(&mut payload, tenant, order_id, customer_id, Timestamp::from_unix_us(*us));
            }
            payload.extend(&tail);
            let index = TupleIndex::of(Lane::Index, &payload);
            prop_assert_eq!((index.entries().len(), index.is_torn()), (facts.len(), !tail.is_empty()));
            prop_assert_eq!(index.faults().len(), usize::from(!tail.is_empty()));
            for (entry, tuple) in index.entries().iter().zip(Tuples::new(Lane::Index, &payload)) {
                let tuple = tuple.unwrap();
                prop_assert_eq!((&payload[entry.range()], entry.ordered_at), (tuple.bytes(), tuple.ordered_at()));
                let mut identity = [tuple.field(0), tuple.field(1), tuple.field(2), tuple.field(3)].concat();
                identity.resize(16, 0);
                prop_assert_eq!(key_prefix(Lane::Index, tuple.bytes()).to_be_bytes(), &identity[..]);
            }
        }
    }

    #[test]
    fn a_field_that_is_wrong_does_not_hide_what_follows() {
        let mut payload = Vec::new();
        for order_id in ["a", "b", "c"] {
            push(&mut payload, "", order_id, "c", Timestamp::EARLIEST);
        }
        // The second one's order id becomes NULL, and its byte goes. Before it stand the number of fields, bucket and tenant.
        let order_id = payload.len() / 3 + 2 + 6 + 4;
        payload.splice(order_id..order_id + 5, (-1i32).to_be_bytes());
        let index = TupleIndex::of(Lane::Index, &payload);
        let error = TupleError::FieldLength { column: "order_id", bytes: -1 };
        assert_eq!(index.faults(), [TupleFault { row: 1, error }]);
        assert_eq!((index.entries().len(), index.is_torn()), (3, false));
        let walked: Vec<_> = Tuples::new(Lane::Index, &payload).map(|tuple| tuple.map(|tuple| tuple.bytes())).collect();
        let read = index.entries().iter().map(|entry| entry.read(Lane::Index, &payload).map(|tuple| tuple.bytes()));
        assert_eq!(walked, read.collect::<Vec<_>>());
        assert_eq!(walked.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    }
}
