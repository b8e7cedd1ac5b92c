//! What is run. `sound` and `mistakes` are run with the tests; `deep` by `./dev explore`.

use std::time::Instant;

use crate::moves::Moves;
use crate::rules::Mistake::{self, *};
use crate::search::{Explored, explore};
use crate::world::{A, B, C, Budget};

const NONE: Budget = Budget {
    crashes: 0,
    echoes: 0,
    slow_movers: 0,
    failovers: 0,
    replicas: 0,
    turn_backs: 0,
    fulls: 0,
    slow_readers: 0,
    overviews: 0,
    archives: 0,
    losses: 0,
    cleaners: 0,
};

fn told(model: &Moves, title: &str) -> Explored {
    let begun = Instant::now();
    let explored = explore(model);
    println!("{title}: {} states, {:.1} s", explored.states, begun.elapsed().as_secs_f32());
    if let Some(broken) = &explored.broken {
        for (number, step) in broken.steps.iter().enumerate() {
            println!("  {:2}. {step}", number + 1);
        }
        println!("  => {}", broken.promise);
    }
    explored
}

#[track_caller]
fn holds(title: &str, model: Moves) {
    assert!(told(&model, title).broken.is_none(), "{title}: a promise is broken, see above");
}

#[track_caller]
fn finds(title: &str, mistakes: &[Mistake], model: Moves) {
    assert!(told(&model.planting(mistakes), title).broken.is_some(), "{title}: it is not found");
}

mod sound {
    use super::*;

    #[test]
    fn orders() {
        holds("an order, sent twice, and one that conflicts", Moves::of("xxy"));
        holds("two orders, one that conflicts", Moves::of("xyw"));
        holds("an order, and its id with another time, while a writer dies", Moves::of("xz").with(Budget { crashes: 1, ..NONE }));
    }

    #[test]
    fn readers() {
        holds("two orders, a slow reader", Moves::of("xw").with(Budget { slow_readers: 1, ..NONE }));
        holds("an order, a slow reader of all shards", Moves::of("x").with(Budget { overviews: 1, ..NONE }));
        holds("there and back, a slow reader", Moves::of("x").to(&[B, A]).with(Budget { slow_readers: 1, ..NONE }));
    }

    #[test]
    fn movers() {
        holds("writers die after publishing, a slow mover", Moves::of("xy").with(Budget { crashes: 1, slow_movers: 1, ..NONE }));
        holds("turned back", Moves::of("xyw").with(Budget { turn_backs: 1, ..NONE }));
        holds("a publish arrives late, turned back", Moves::of("xy").with(Budget { echoes: 1, turn_backs: 1, ..NONE }));
        holds("turned back, a slow mover", Moves::of("x").with(Budget { turn_backs: 1, slow_movers: 1, ..NONE }));
    }

    #[test]
    fn failovers() {
        holds("A fails over", Moves::of("xw").failing(A));
        holds("B fails over", Moves::of("xw").failing(B));
        holds("B fails over, turned back", Moves::of("x").with(Budget { turn_backs: 1, ..NONE }).failing(B));
        holds("late copies, and a row that is archived", Moves::of("xw").with(Budget { slow_movers: 1, archives: 1, ..NONE }));
    }

    #[test]
    fn full_logs() {
        holds("a log is full for a while", Moves::of("xy").with(Budget { fulls: 1, ..NONE }));
        holds("a log is full for a while, turned back", Moves::of("x").with(Budget { fulls: 1, turn_backs: 1, ..NONE }));
    }

    #[test]
    fn again_and_elsewhere() {
        holds("there and back", Moves::of("xy").to(&[B, A]));
        holds("there, back, and there again", Moves::of("x").to(&[B, A, B]));
        holds("there, back, and there again, hastily", Moves::of("x").to(&[B, A, B]).hastily());
        holds("on to a third shard", Moves::of("x").to(&[B, C]));
        holds("there and back, A fails over", Moves::of("x").to(&[B, A]).failing(A));
    }

    #[test]
    fn losses() {
        holds("the target loses a row", Moves::of("x").with(Budget { losses: 1, ..NONE }));
        holds("the target loses a row, and fails over", Moves::of("xw").with(Budget { losses: 1, ..NONE }).failing(B));
    }
}

mod mistakes {
    use super::*;

    #[test]
    fn of_writers() {
        finds("stores what it does not own", &[StoresWhatItDoesNotOwn], Moves::of("x"));
        finds("commits before what it sends on is acknowledged", &[CommitsBeforeItSendsOn], Moves::of("x").with(Budget { crashes: 1, ..NONE }));
        finds("stores before the activation: a conflict comes first", &[StoresBeforeTheActivation], Moves::of("xy"));
        finds("stores before the activation: a second time comes first", &[StoresBeforeTheActivation], Moves::of("xz"));
        finds("obeys control frames of an old epoch", &[IgnoresEpochs], Moves::of("x").with(Budget { turn_backs: 1, slow_movers: 1, ..NONE }));
        finds("takes copies at any time, one was archived", &[TakesCopiesAtAnyTime], Moves::of("x").with(Budget { slow_movers: 1, archives: 1, ..NONE }));
        finds("overtakes what is parked", &[OvertakesWhatIsParked], Moves::of("xy").with(Budget { fulls: 1, ..NONE }));
        finds("keeps what it decided as an owner that it is not", &[KeepsWhatItDecided], Moves::of("xw").with(Budget { losses: 1, ..NONE }).failing(B));
    }

    #[test]
    fn of_movers() {
        finds("compares while the source stores", &[ComparesWhileTheSourceStores], Moves::of("x"));
        finds("compares before the target awaits", &[ComparesBeforeTheTargetAwaits], Moves::of("x").to(&[B, A]).hastily());
        finds("routes before the release is logged", &[RoutesBeforeTheReleaseIsLogged], Moves::of("xy"));
        finds("releases before the target is told to wait", &[ForgetsToLetTheTargetWait], Moves::of("x"));
        finds("copies into the tables, B fails over", &[CopiesIntoTheTables], Moves::of("x").failing(B));
        finds("turns back what is activated", &[TurnsBackWhatIsActivated], Moves::of("x").with(Budget { turn_backs: 1, ..NONE }));
        finds("sends the target away before the source owns again", &[SendsTheTargetAwayFirst], Moves::of("x").with(Budget { turn_backs: 1, ..NONE }));
        finds("cleans beside the log without looking again", &[CleansBesideTheLog, DoesNotLookAgain], Moves::of("x").to(&[B, A]).hastily().with(Budget { cleaners: 1, ..NONE }));
        finds("cleans beside the log, A fails over", &[CleansBesideTheLog], Moves::of("x").to(&[B, A]).hastily().with(Budget { cleaners: 1, ..NONE }).failing(A));
        finds("forgets that the target refused", &[ForgetsThatItRefused], Moves::of("xw").with(Budget { losses: 1, ..NONE }).failing(B));
    }

    #[test]
    fn of_readers() {
        finds("believes its map", &[BelievesItsMap], Moves::of("x"));
        finds("takes cleaned for empty", &[TakesCleanedForEmpty], Moves::of("x").with(Budget { slow_readers: 1, ..NONE }));
        finds("forgets what was sent on", &[ForgetsWhatWasSentOn], Moves::of("x"));
        finds("counts parked as stored", &[CountsParkedAsStored], Moves::of("x"));
        finds("origins have no beginning", &[OriginsHaveNoBeginning], Moves::of("x").to(&[B, A, B]).hastily());
        finds("picks any owner", &[PicksAnyOwner], Moves::of("x"));
    }
}

/// More faults at once: minutes each. Run by `./dev explore`.
mod deep {
    use super::*;

    #[test]
    #[ignore = "deep: ./dev explore"]
    fn movers() {
        holds("a conflict, writers die, turned back", Moves::of("xyw").with(Budget { crashes: 1, turn_backs: 1, ..NONE }));
        holds("a conflict, writers die, slow movers", Moves::of("xyw").with(Budget { crashes: 1, slow_movers: 1, ..NONE }));
        holds("turned back, slow movers, writers die", Moves::of("xw").with(Budget { crashes: 1, turn_backs: 1, slow_movers: 1, ..NONE }));
        holds("a publish arrives late, turned back, there and back", Moves::of("x").to(&[B, A]).with(Budget { echoes: 1, turn_backs: 1, ..NONE }));
        holds("a publish arrives late, A fails over", Moves::of("xw").with(Budget { echoes: 1, ..NONE }).failing(A));
        holds("turned back, two slow movers", Moves::of("x").with(Budget { turn_backs: 1, slow_movers: 2, ..NONE }));
    }

    #[test]
    #[ignore = "deep: ./dev explore"]
    fn failovers() {
        let turned = Budget { turn_backs: 1, ..NONE };
        holds("A fails over, turned back", Moves::of("xw").with(turned).failing(A));
        holds("B fails over, turned back", Moves::of("xw").with(turned).failing(B));
        holds("B fails over, a conflict", Moves::of("xyw").failing(B));
        holds("A fails over, slow movers, writers die", Moves::of("x").with(Budget { slow_movers: 1, crashes: 1, ..NONE }).failing(A));
        holds("B fails over, slow movers, writers die", Moves::of("xw").with(Budget { slow_movers: 1, crashes: 1, ..NONE }).failing(B));
        holds("A fails over, a slow reader", Moves::of("xw").with(Budget { slow_readers: 1, ..NONE }).failing(A));
        holds("B fails over, a slow reader", Moves::of("xw").with(Budget { slow_readers: 1, ..NONE }).failing(B));
    }

    #[test]
    #[ignore = "deep: ./dev explore"]
    fn full_logs() {
        holds("full twice, a conflict", Moves::of("xy").with(Budget { fulls: 2, ..NONE }));
        holds("full, a conflict, turned back", Moves::of("xy").with(Budget { fulls: 1, turn_backs: 1, ..NONE }));
        holds("full, writers die, slow movers", Moves::of("xw").with(Budget { fulls: 1, crashes: 1, slow_movers: 1, ..NONE }));
        holds("full, A fails over", Moves::of("xw").with(Budget { fulls: 1, ..NONE }).failing(A));
        holds("full, B fails over, turned back", Moves::of("x").with(Budget { fulls: 1, turn_backs: 1, ..NONE }).failing(B));
        holds("full, there and back, a slow reader", Moves::of("x").to(&[B, A]).with(Budget { fulls: 1, slow_readers: 1, ..NONE }));
    }

    #[test]
    #[ignore = "deep: ./dev explore"]
    fn again() {
        let (back, again) = ([B, A], [B, A, B]);
        holds("there and back, turned back", Moves::of("xy").to(&back).with(Budget { turn_backs: 1, ..NONE }));
        holds("there, back and there, turned back, full", Moves::of("x").to(&again).with(Budget { turn_backs: 1, fulls: 1, ..NONE }));
        holds("there, back and there, hastily, turned back", Moves::of("x").to(&again).hastily().with(Budget { turn_backs: 1, ..NONE }));
        holds("there and back, hastily, B fails over, turned back", Moves::of("x").to(&back).hastily().with(Budget { turn_backs: 1, ..NONE }).failing(B));
        holds("there and back, hastily, A fails over", Moves::of("xy").to(&back).hastily().failing(A));
        holds("there and back, writers die, slow movers", Moves::of("x").to(&back).with(Budget { crashes: 1, slow_movers: 1, ..NONE }));
        holds("there, back and there, hastily, a slow reader", Moves::of("x").to(&again).hastily().with(Budget { slow_readers: 1, ..NONE }));
    }

    #[test]
    #[ignore = "deep: ./dev explore"]
    fn three_shards() {
        let on = [B, C];
        holds("on, a conflict", Moves::of("xy").to(&on));
        holds("on, hastily, a conflict", Moves::of("xy").to(&on).hastily());
        holds("on, turned back, a slow reader", Moves::of("x").to(&on).with(Budget { turn_backs: 1, slow_readers: 1, ..NONE }));
        holds("on, B fails over", Moves::of("xw").to(&on).failing(B));
        holds("on, hastily, B fails over, turned back", Moves::of("x").to(&on).hastily().with(Budget { turn_backs: 1, ..NONE }).failing(B));
        holds("on, C fails over, turned back", Moves::of("x").to(&on).with(Budget { turn_backs: 1, ..NONE }).failing(C));
        holds("on and back, full, writers die", Moves::of("x").to(&[B, C, A]).with(Budget { fulls: 1, crashes: 1, ..NONE }));
        holds("on and back, hastily, a slow reader", Moves::of("x").to(&[B, C, A]).hastily().with(Budget { slow_readers: 1, ..NONE }));
    }

    #[test]
    #[ignore = "deep: ./dev explore"]
    fn readers_of_all_shards() {
        holds("a conflict", Moves::of("xy").with(Budget { overviews: 1, ..NONE }));
        holds("turned back", Moves::of("x").with(Budget { overviews: 1, turn_backs: 1, ..NONE }));
        holds("there and back", Moves::of("x").to(&[B, A]).with(Budget { overviews: 1, ..NONE }));
        holds("on, hastily", Moves::of("x").to(&[B, C]).hastily().with(Budget { overviews: 1, ..NONE }));
    }

    #[test]
    #[ignore = "deep: ./dev explore"]
    fn losses() {
        let lost = Budget { losses: 1, ..NONE };
        holds("writers die, slow movers", Moves::of("xw").with(Budget { crashes: 1, slow_movers: 1, ..lost }));
        holds("full, B fails over", Moves::of("xw").with(Budget { fulls: 1, ..lost }).failing(B));
        holds("a conflict, B fails over", Moves::of("xy").with(lost).failing(B));
    }
}
