//! The protocol as it is: seconds each.

use super::holds;
use crate::fault::Fault::{Archive, Crash, Echo, Full, Loss, Overview, SlowMover, SlowReader, TurnBack};
use crate::moves::Moves;
use crate::world::{A, B, C};

#[test]
fn orders_that_come_during_a_move_break_no_promise() {
    holds("an order, sent twice, and one that conflicts", &Moves::of("xxy"));
    holds("two orders, one that conflicts", &Moves::of("xyw"));
    holds("an order, and its id with another time, while a writer dies", &Moves::of("xz").with(&[Crash]));
}

#[test]
fn slow_readers_break_no_promise() {
    holds("two orders, a slow reader", &Moves::of("xw").with(&[SlowReader]));
    holds("an order, a slow reader of all shards", &Moves::of("x").with(&[Overview]));
    holds("there and back, a slow reader of all shards", &Moves::of("x").to(&[B, A]).with(&[Overview]));
    holds("there and back, a slow reader", &Moves::of("x").to(&[B, A]).with(&[SlowReader]));
}

#[test]
fn slow_movers_and_writers_that_die_break_no_promise() {
    holds("writers die after publishing, a slow mover", &Moves::of("xy").with(&[Crash, SlowMover]));
    holds("turned back", &Moves::of("xyw").with(&[TurnBack]));
    holds("a publish arrives late, turned back", &Moves::of("xy").with(&[Echo, TurnBack]));
    holds("turned back, a slow mover", &Moves::of("x").with(&[TurnBack, SlowMover]));
}

#[test]
fn fail_overs_break_no_promise() {
    holds("A fails over", &Moves::of("xw").failing(A));
    holds("B fails over", &Moves::of("xw").failing(B));
    holds("B fails over, turned back", &Moves::of("x").with(&[TurnBack]).failing(B));
    holds("late copies, and a row that is archived", &Moves::of("xw").with(&[SlowMover, Archive]));
}

#[test]
fn full_logs_break_no_promise() {
    holds("a log is full for a while", &Moves::of("xy").with(&[Full]));
    holds("a log is full for a while, turned back", &Moves::of("x").with(&[Full, TurnBack]));
}

#[test]
fn units_that_move_again_or_on_break_no_promise() {
    holds("there and back", &Moves::of("xy").to(&[B, A]));
    holds("there, back, and there again", &Moves::of("x").to(&[B, A, B]));
    holds("there, back, and there again, hastily", &Moves::of("x").to(&[B, A, B]).hastily());
    holds("there and back, hastily, a row is archived", &Moves::of("xw").to(&[B, A]).hastily().with(&[Archive]));
    holds("turned back, and there once more", &Moves::of("x").to(&[B, B]).with(&[TurnBack]));
    holds("on to a third shard", &Moves::of("x").to(&[B, C]));
    holds("there and back, A fails over", &Moves::of("x").to(&[B, A]).failing(A));
}

#[test]
fn a_target_that_loses_a_row_breaks_no_promise() {
    holds("the target loses a row", &Moves::of("x").with(&[Loss]));
    holds("the target loses a row, and fails over", &Moves::of("xw").with(&[Loss]).failing(B));
}
