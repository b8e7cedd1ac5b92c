//! Which rows of a frame are of which request. Frames are shared by clients, so rows say whose they are: what became of them is
//! counted by that.
//!
//! As bytes a claim is: a varint of the rows before it that nobody claims, times 4, plus 2 where a letter follows, plus 1 where
//! it is of one row; the varint of its rows where it is of several; the request's number; and the varint of the letter. A single
//! order takes 13 bytes, and a piece of a batch one or two more.

use crate::request::{REQUEST_BYTES, RequestId};

/// Rows of a frame that stand together and are of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The first of them, from 0.
    pub first: u32,
    /// How many; not 0.
    pub rows: u32,
    /// Whose they are.
    pub of: Claimant,
}

/// Whose a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// Of this request, or piece of one.
    pub request: RequestId,
    /// For a row that is in the log once more: the number of its dead letter, on the shard that it is sent to.
    pub letter: Option<u64>,
}

/// Every claim to rows of a frame, in the order of the rows. No row is claimed twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(Vec<Claim>);

/// Bytes that are no claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("they are no claims to rows of this frame")]
pub struct NotClaims;

/// Set where a letter follows.
const HAS_LETTER: u64 = 2;
/// Set where it is of one row.
const IS_SINGLE: u64 = 1;

impl Claims {
    /// Claims a row behind all that are claimed.
    pub fn push(&mut self, row: u32, of: Claimant) {
        self.push_claim(Claim { first: row, rows: 1, of });
    }

    /// Takes over the claims of a frame whose rows are put behind `rows` of this one.
    pub fn append(&mut self, rows: u32, other: &Self) {
        for claim in &other.0 {
            self.push_claim(Claim { first: rows + claim.first, ..*claim });
        }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Claim> + '_ {
        self.0.iter().copied()
    }

    /// Whether no row is claimed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes of memory they take.
    pub fn bytes(&self) -> usize {
        self.0.len() * size_of::<Claim>()
    }

    /// Whose a row is, where it is claimed.
    pub fn of_row(&self, row: u32) -> Option<Claimant> {
        let claim = self.0[..self.0.partition_point(|claim| claim.first <= row)].last()?;
        (row - claim.first < claim.rows).then_some(claim.of)
    }

    /// The claims to some of the rows, each as far as it is to these.
    pub fn of_rows(&self, first: u32, rows: u32) -> impl Iterator<Item = Claim> + '_ {
        let end = first.saturating_add(rows);
        self.iter().filter_map(move |claim| {
            let (from, to) = (claim.first.max(first), (claim.first + claim.rows).min(end));
            (from < to).then(|| Claim { first: from, rows: to - from, ..claim })
        })
    }

    /// As bytes: none where nothing is claimed.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut end = 0;
        for Claim { first, rows, of } in &self.0 {
            let flags = if *rows == 1 { IS_SINGLE } else { 0 } | if of.letter.is_some() { HAS_LETTER } else { 0 };
            push_varint(out, u64::from(first - end) << 2 | flags);
            if *rows > 1 {
                push_varint(out, u64::from(*rows));
            }
            out.extend_from_slice(of.request.as_bytes());
            if let Some(letter) = of.letter {
                push_varint(out, letter);
            }
            end = first + rows;
        }
    }

    /// Reads the claims to rows of a frame that has `rows`.
    ///
    /// # Errors
    /// [`NotClaims`] where the bytes say anything else, or something about rows that there are not.
    pub fn decode(mut bytes: &[u8], rows: u32) -> Result<Self, NotClaims> {
        let (mut claims, mut end) = (Self::default(), 0);
        while !bytes.is_empty() {
            let claim = claim(&mut bytes, end).ok_or(NotClaims)?;
            end = claim.first.checked_add(claim.rows).filter(|&end| claim.rows > 0 && end <= rows).ok_or(NotClaims)?;
            claims.0.push(claim);
        }
        Ok(claims)
    }

    fn push_claim(&mut self, claim: Claim) {
        match self.0.last_mut() {
            Some(last) if last.of == claim.of && last.of.letter.is_none() && last.first + last.rows == claim.first => {
                last.rows += claim.rows;
            }
            _ => self.0.push(claim),
        }
    }
}

fn claim(bytes: &mut &[u8], end: u32) -> Option<Claim> {
    let head = take_varint(bytes)?;
    let first = u32::try_from(head >> 2).ok()?.checked_add(end)?;
    let rows = if head & IS_SINGLE > 0 { 1 } else { u32::try_from(take_varint(bytes)?).ok()? };
    let (request, rest) = bytes.split_first_chunk::<REQUEST_BYTES>()?;
    *bytes = rest;
    let letter = if head & HAS_LETTER > 0 { Some(take_varint(bytes)?) } else { None };
    Some(Claim { first, rows, of: Claimant { request: RequestId::from_bytes(*request), letter } })
}

/// Seven bits a byte, the lowest first; the top bit says that more follow.
fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whose each row of a frame is.
    fn rows() -> impl Strategy<Value = Vec<Option<Claimant>>> {
        let claimant = (0u128..3, prop::option::weighted(0.2, any::<u64>()))
            .prop_map(|(request, letter)| Claimant { request: RequestId::from_number(request << 80 | 5), letter });
        prop::collection::vec(prop::option::weighted(0.8, claimant), 0..40)
    }

    fn claims(rows: &[Option<Claimant>]) -> Claims {
        let mut claims = Claims::default();
        for (row, of) in (0..).zip(rows) {
            if let Some(of) = *of {
                claims.push(row, of);
            }
        }
        claims
    }

    proptest! {
        #[test]
        fn each_row_stays_with_its_request(before in rows(), behind in rows(), first in 0u32..40, count in 0u32..40) {
            let mut joined = claims(&before);
            joined.append(before.len() as u32, &claims(&behind));
            let all = [before, behind].concat();
            prop_assert_eq!(&joined, &claims(&all));
            let mut bytes = Vec::new();
            joined.encode(&mut bytes);
            prop_assert_eq!(Claims::decode(&bytes, all.len() as u32), Ok(joined.clone()));
            for (row, &of) in (0..).zip(&all) {
                prop_assert_eq!(joined.of_row(row), of);
            }
            prop_assert_eq!(joined.of_row(all.len() as u32), None);
            let some = joined.of_rows(first, count);
            let some = some.flat_map(|claim| (claim.first..claim.first + claim.rows).map(move |row| (row, claim.of)));
            let expected = (0..).zip(&all).filter_map(|(row, of)| Some((row, (*of)?)));
            let expected = expected.filter(|(row, _)| (first..first + count).contains(row));
            prop_assert_eq!(some.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_make_it_panic_or_claim_rows_that_there_are_not(bytes in prop::collection::vec(any::<u8>(), 0..60), rows: u32) {
            if let Ok(claims) = Claims::decode(&bytes, rows) {
                let mut end = 0;
                for claim in claims.iter() {
                    prop_assert!(claim.first >= end && claim.rows > 0);
                    end = claim.first + claim.rows;
                }
                prop_assert!(end <= rows);
            }
        }
    }

    #[test]
    fn a_single_order_takes_13_bytes_and_what_nobody_claims_takes_none() {
        let bytes = |rows: &[Option<Claimant>]| {
            let mut bytes = Vec::new();
            claims(rows).encode(&mut bytes);
            bytes.len()
        };
        let of = |n| Some(Claimant { request: RequestId::from_number(n), letter: None });
        assert_eq!((bytes(&[of(1), of(2), of(3)]), bytes(&[of(1); 100]), bytes(&[None; 100])), (39, 14, 0));
    }
}
