//! Mistakes, each planted in one decision, and a shortest counterexample of each: seconds.

use super::explored;
use crate::fault::Fault::{Archive, Cleaner, Crash, Full, Loss, Overview, SlowMover, SlowReader, TurnBack};
use crate::moves::Moves;
use crate::rules::Mistake::{self, *};
use crate::world::{A, B};

/// Some schedule breaks this promise.
#[track_caller]
fn finds(title: &str, mistakes: &[Mistake], promise: &str, model: Moves) {
    let broken = explored(title, &model.planting(mistakes)).broken.expect(title);
    assert!(broken.promise.contains(promise), "{title}: {}", broken.promise);
}

#[test]
fn each_mistake_of_writers_is_found() {
    finds("stores what it does not own", &[StoresWhatItDoesNotOwn], "before, {x} was shown", Moves::of("x"));
    finds(
        "commits before what it sends on is acknowledged",
        &[CommitsBeforeItSendsOn],
        "with the receipt of x",
        Moves::of("x").with(&[Crash]),
    );
    finds(
        "stores before the activation: a conflict comes first",
        &[StoresBeforeTheActivation],
        "with the receipt of x",
        Moves::of("xy"),
    );
    finds(
        "stores before the activation: a second time comes first",
        &[StoresBeforeTheActivation],
        "with the receipt of x",
        Moves::of("xz"),
    );
}

#[test]
fn each_mistake_of_writers_that_only_shows_with_faults_is_found() {
    finds(
        "obeys control frames of an old epoch",
        &[IgnoresEpochs],
        "no shard has the unit",
        Moves::of("x").with(&[TurnBack, SlowMover]),
    );
    finds(
        "takes copies at any time, one was archived",
        &[TakesCopiesAtAnyTime],
        "x was archived, and is back",
        Moves::of("x").with(&[SlowMover, Archive]),
    );
    finds(
        "overtakes what is parked",
        &[OvertakesWhatIsParked],
        "acknowledged before y, yet y stays",
        Moves::of("xy").with(&[Full]),
    );
    finds(
        "keeps what it decided as an owner that it is not",
        &[KeepsWhatItDecided],
        "with the receipt of w",
        Moves::of("xw").with(&[Loss]).failing(B),
    );
}

#[test]
fn each_mistake_of_movers_is_found() {
    finds(
        "compares while the source stores",
        &[ComparesWhileTheSourceStores],
        "two shards own the unit",
        Moves::of("x"),
    );
    finds(
        "compares before the target awaits",
        &[ComparesBeforeTheTargetAwaits],
        "is refused, though nothing was lost",
        Moves::of("x").to(&[B, A]).hastily(),
    );
    finds(
        "routes before the release is logged",
        &[RoutesBeforeTheReleaseIsLogged],
        "acknowledged before y, yet y stays",
        Moves::of("xy"),
    );
    finds(
        "releases before the target is told to wait",
        &[ForgetsToLetTheTargetWait],
        "goes back and forth",
        Moves::of("x"),
    );
    finds(
        "copies into the tables, B fails over",
        &[CopiesIntoTheTables],
        "is refused, though nothing was lost",
        Moves::of("x").failing(B),
    );
}

#[test]
fn each_mistake_at_the_end_of_a_move_is_found() {
    finds(
        "turns back what is activated",
        &[TurnsBackWhatIsActivated],
        "two shards own the unit",
        Moves::of("x").with(&[TurnBack]),
    );
    finds(
        "sends the target away before the source owns again",
        &[SendsTheTargetAwayFirst],
        "no shard has the unit",
        Moves::of("x").with(&[TurnBack]),
    );
    finds(
        "cleans beside the log without looking again",
        &[CleansBesideTheLog, DoesNotLookAgain],
        "is refused, though nothing was lost",
        Moves::of("x").to(&[B, A]).hastily().with(&[Cleaner]),
    );
    finds(
        "cleans beside the log, A fails over",
        &[CleansBesideTheLog],
        "is refused, though nothing was lost",
        Moves::of("x").to(&[B, A]).hastily().with(&[Cleaner]).failing(A),
    );
    finds(
        "forgets that the target refused",
        &[ForgetsThatItRefused],
        "comes behind owned",
        Moves::of("xw").with(&[Loss]).failing(B),
    );
}

#[test]
fn each_mistake_of_readers_is_found() {
    finds("believes its map", &[BelievesItsMap], "with the receipt of x", Moves::of("x"));
    finds(
        "takes cleaned for empty",
        &[TakesCleanedForEmpty],
        "before, {x} was shown",
        Moves::of("x").with(&[SlowReader]),
    );
    finds("forgets what was sent on", &[ForgetsWhatWasSentOn], "with the receipt of x", Moves::of("x"));
    finds("counts parked as stored", &[CountsParkedAsStored], "with the receipt of x", Moves::of("x"));
    finds(
        "origins have no beginning",
        &[OriginsHaveNoBeginning],
        "with the receipt of x",
        Moves::of("x").to(&[B, A, B]).hastily(),
    );
    finds(
        "asks again only where it is cleaned",
        &[AsksAgainOnlyWhereCleaned],
        "finds no owner",
        Moves::of("x").to(&[B, A]).with(&[Overview]),
    );
    finds(
        "goes by the end of a batch",
        &[GoesByTheEndOfABatch],
        "with the receipt of x",
        Moves::of("xw").to(&[B, A]).hastily(),
    );
    finds("picks any owner", &[PicksAnyOwner], "before, {x} was shown", Moves::of("x"));
    finds(
        "takes targets for new",
        &[TakesTargetsForNew],
        "with the receipt of x",
        Moves::of("x").to(&[B, A, B]).hastily().failing(A),
    );
}
