//! What follows from rows is made of every one of them, or of none.

use bytes::Bytes;
use forebay_model::lane::ColumnType;
use forebay_model::{Claims, Epoch, Lane};

use super::sums::Sums;
use super::times::Times;
use super::{awaited, restate};
use crate::frame::{IndexedFrame, LogFrame};
use crate::store::error::AttemptError;
use crate::store::lane::sift::RowRange;

/// A tuple in which that field has these bytes instead of its own.
fn tuple(lane: Lane, changed: &str, bytes: &[u8]) -> Vec<u8> {
    let mut tuple = (lane.columns().len() as i16).to_be_bytes().to_vec();
    for column in lane.columns() {
        let field: &[u8] = match column.kind {
            _ if column.name == changed => bytes,
            ColumnType::Int2 => &[0; 2],
            ColumnType::Int8 | ColumnType::Timestamptz => &[0; 8],
            ColumnType::Jsonb => b"\x01[]",
            ColumnType::Text => b"a",
        };
        tuple.extend((field.len() as i32).to_be_bytes());
        tuple.extend(field);
    }
    tuple
}

fn frame(lane: Lane, tuples: &[Vec<u8>]) -> IndexedFrame {
    let (id, epoch, payload) = (String::new(), Epoch(1), Bytes::from(tuples.concat()));
    let rows = tuples.len() as u32;
    LogFrame { seq: 1, id, epoch, enqueued_at: None, rows, payload, claims: Claims::default(), fault: None }
        .indexed(lane)
}

/// What is made of the rows of a lane: by its name, whether it was.
fn made(lane: Lane, rows: &[RowRange<'_>]) -> Vec<(&'static str, Result<(), AttemptError>)> {
    match lane {
        Lane::Orders => vec![
            ("sums", Sums::of(lane, rows).map(drop)),
            ("times", Times::of(lane, rows).map(drop)),
            ("awaited", awaited::stored_orders(rows).map(drop)),
        ],
        Lane::Events => vec![("events", awaited::new_events(rows).map(drop))],
        Lane::Views => vec![("sums", Sums::of(lane, rows).map(drop)), ("status", restate::keys(rows).map(drop))],
        Lane::ViewEvents => vec![("status", restate::keys(rows).map(drop))],
        Lane::Index => vec![],
    }
}

#[test]
fn a_row_that_cannot_be_read_is_not_passed_over() {
    for lane in Lane::ALL {
        let whole = tuple(lane, "", b"");
        let of_whole = frame(lane, &[whole.clone(), whole.clone()]);
        for (what, made) in made(lane, &[RowRange::unsifted(&of_whole)]) {
            assert!(made.is_ok(), "{what} of {lane}: {made:?}");
        }
        // A number that is too short is seen by the index, a text that is none by who reads it.
        for (column, bytes) in [("bucket", &[0][..]), ("tenant", b"\xff")] {
            let spoilt = frame(lane, &[whole.clone(), tuple(lane, column, bytes), whole.clone()]);
            for (what, made) in made(lane, &[RowRange::unsifted(&spoilt)]) {
                // An order's time is noted as it is, whatever its texts are: the server refuses what is none.
                let is_left_to_the_server = what == "times" && column == "tenant";
                let is_told = matches!(made, Err(AttemptError::Violated(_)));
                assert_eq!(is_told, !is_left_to_the_server, "{what} of {lane}, {column}: {made:?}");
            }
        }
    }
}

#[test]
fn a_bucket_that_there_is_not_halts_nothing() {
    let foreign = 5000u16.to_be_bytes();
    for lane in Lane::ALL {
        let of_nowhere = frame(lane, &[tuple(lane, "bucket", &foreign)]);
        for (what, made) in made(lane, &[RowRange::unsifted(&of_nowhere)]) {
            assert!(made.is_ok(), "{what} of {lane}: {made:?}");
        }
    }
}
