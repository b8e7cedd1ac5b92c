//! More faults at once: minutes each. Run by `./dev explore`.

use super::holds;
use crate::fault::Fault::{Crash, Echo, Full, Loss, Overview, SlowMover, SlowReader, TurnBack};
use crate::moves::Moves;
use crate::world::{A, B, C};

#[test]
#[ignore = "deep: ./dev explore"]
fn slow_movers_and_writers_that_die_break_no_promise() {
    holds("a conflict, writers die, turned back", &Moves::of("xyw").with(&[Crash, TurnBack]));
    holds("a conflict, writers die, slow movers", &Moves::of("xyw").with(&[Crash, SlowMover]));
    holds("turned back, slow movers, writers die", &Moves::of("xw").with(&[Crash, TurnBack, SlowMover]));
    holds("a publish arrives late, turned back, there and back", &Moves::of("x").to(&[B, A]).with(&[Echo, TurnBack]));
    holds("a publish arrives late, A fails over", &Moves::of("xw").with(&[Echo]).failing(A));
    holds("turned back, two slow movers", &Moves::of("x").with(&[TurnBack, SlowMover, SlowMover]));
}

#[test]
#[ignore = "deep: ./dev explore"]
fn fail_overs_break_no_promise() {
    holds("A fails over, turned back", &Moves::of("xw").with(&[TurnBack]).failing(A));
    holds("B fails over, turned back", &Moves::of("xw").with(&[TurnBack]).failing(B));
    holds("B fails over, a conflict", &Moves::of("xyw").failing(B));
    holds("A and B fail over", &Moves::of("x").failing(A).failing(B));
    holds("A and B fail over, turned back", &Moves::of("x").with(&[TurnBack]).failing(A).failing(B));
    holds("A fails over, slow movers, writers die", &Moves::of("x").with(&[SlowMover, Crash]).failing(A));
    holds("B fails over, slow movers, writers die", &Moves::of("xw").with(&[SlowMover, Crash]).failing(B));
    holds("A fails over, a slow reader", &Moves::of("xw").with(&[SlowReader]).failing(A));
    holds("B fails over, a slow reader", &Moves::of("xw").with(&[SlowReader]).failing(B));
}

#[test]
#[ignore = "deep: ./dev explore"]
fn full_logs_break_no_promise() {
    holds("full twice, a conflict", &Moves::of("xy").with(&[Full, Full]));
    holds("full, a conflict, turned back", &Moves::of("xy").with(&[Full, TurnBack]));
    holds("full, writers die, slow movers", &Moves::of("xw").with(&[Full, Crash, SlowMover]));
    holds("full, A fails over", &Moves::of("xw").with(&[Full]).failing(A));
    holds("full, B fails over, turned back", &Moves::of("x").with(&[Full, TurnBack]).failing(B));
    holds("full, there and back, a slow reader", &Moves::of("x").to(&[B, A]).with(&[Full, SlowReader]));
}

#[test]
#[ignore = "deep: ./dev explore"]
fn units_that_move_again_break_no_promise() {
    holds("turned back twice, and there once more", &Moves::of("xy").to(&[B, B, B]).with(&[TurnBack, TurnBack]));
    holds("turned back, and there once more, full", &Moves::of("xy").to(&[B, B]).with(&[TurnBack, Full]));
    holds("turned back, there and back, hastily", &Moves::of("x").to(&[B, B, A]).hastily().with(&[TurnBack, Full]));
    holds("turned back, there once more, B fails over", &Moves::of("x").to(&[B, B]).with(&[TurnBack]).failing(B));
    holds("turned back, there once more, A fails over", &Moves::of("x").to(&[B, B]).with(&[TurnBack]).failing(A));
    let (back, again) = ([B, A], [B, A, B]);
    holds("there and back, turned back", &Moves::of("xy").to(&back).with(&[TurnBack]));
    holds("there, back and there, turned back, full", &Moves::of("x").to(&again).with(&[TurnBack, Full]));
    holds("there, back and there, hastily, turned back", &Moves::of("x").to(&again).hastily().with(&[TurnBack]));
    holds(
        "there and back, hastily, B fails over, turned back",
        &Moves::of("x").to(&back).hastily().with(&[TurnBack]).failing(B),
    );
    holds("there and back, hastily, A fails over", &Moves::of("xy").to(&back).hastily().failing(A));
    holds("there, back and there, hastily, A fails over", &Moves::of("x").to(&again).hastily().failing(A));
    holds("there and back, writers die, slow movers", &Moves::of("x").to(&back).with(&[Crash, SlowMover]));
    holds("there, back and there, hastily, a slow reader", &Moves::of("x").to(&again).hastily().with(&[SlowReader]));
}

#[test]
#[ignore = "deep: ./dev explore"]
fn units_that_move_on_to_a_third_shard_break_no_promise() {
    let on = [B, C];
    holds("on, a conflict", &Moves::of("xy").to(&on));
    holds("on, hastily, a conflict", &Moves::of("xy").to(&on).hastily());
    holds("on, turned back, a slow reader", &Moves::of("x").to(&on).with(&[TurnBack, SlowReader]));
    holds("on, B fails over", &Moves::of("xw").to(&on).failing(B));
    holds("on, hastily, B fails over, turned back", &Moves::of("x").to(&on).hastily().with(&[TurnBack]).failing(B));
    holds("on, C fails over, turned back", &Moves::of("x").to(&on).with(&[TurnBack]).failing(C));
    holds("on and back, full, writers die", &Moves::of("x").to(&[B, C, A]).with(&[Full, Crash]));
    holds("on and back, hastily, a slow reader", &Moves::of("x").to(&[B, C, A]).hastily().with(&[SlowReader]));
}

#[test]
#[ignore = "deep: ./dev explore"]
fn slow_readers_of_all_shards_break_no_promise() {
    holds("a conflict", &Moves::of("xy").with(&[Overview]));
    holds("turned back", &Moves::of("x").with(&[Overview, TurnBack]));
    holds("there and back", &Moves::of("x").to(&[B, A]).with(&[Overview]));
    holds("on, hastily", &Moves::of("x").to(&[B, C]).hastily().with(&[Overview]));
}

#[test]
#[ignore = "deep: ./dev explore"]
fn a_target_that_loses_a_row_breaks_no_promise() {
    holds("writers die, slow movers", &Moves::of("xw").with(&[Crash, SlowMover, Loss]));
    holds("full, B fails over", &Moves::of("xw").with(&[Full, Loss]).failing(B));
    holds("a conflict, B fails over", &Moves::of("xy").with(&[Loss]).failing(B));
}
