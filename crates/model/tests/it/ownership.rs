//! A unit moves, step by step; and who answers for it meanwhile.

use std::collections::BTreeSet;

use forebay_model::ownership::{
    Act, Compared, Logged, MoveEntry, Ownership, Phase, Pick, Reading, Scene, Side, Sighting, State, Sums, Taken, Unit,
    Wishes, reader,
};
use forebay_model::{Bucket, Epoch, Incarnation, Position, ShardId, StreamKind};

const A: ShardId = ShardId(0);
const B: ShardId = ShardId(1);

fn at(seq: u64) -> Position {
    Position { incarnation: Incarnation::new(1), seq }
}

/// Two shards without a row, and a mover.
struct Trial {
    entry: MoveEntry,
    shards: [Ownership; 2],
    seqs: [u64; 2],
    logged: BTreeSet<(ShardId, Epoch)>,
    told: Vec<String>,
}

impl Trial {
    fn begin() -> Self {
        let entry = MoveEntry::begin(Unit::of(StreamKind::Logged, Bucket::new(9).unwrap()), Epoch(7), A, B);
        let shards = [Ownership::first(Epoch(1), at(0)), Ownership::default()];
        Self { entry, shards, seqs: [0, 0], logged: BTreeSet::new(), told: Vec::new() }
    }

    fn next(&self, wishes: Wishes) -> Act {
        let side = |shard: ShardId| Side { ownership: &self.shards[usize::from(shard.0)], is_empty: true };
        let equal = Compared::Equal(Sums::default());
        let scene = Scene {
            entry: &self.entry,
            source: side(A),
            target: side(B),
            compared: Some(&equal),
            logged: &self.logged,
        };
        scene.next(wishes).act
    }

    /// Does what is next, and lets the shard take a frame at once. Gives whether there was something.
    fn step(&mut self, wishes: Wishes) -> bool {
        match self.next(wishes) {
            Act::Append(shard, change) => {
                let (shard, place) = (usize::from(shard.0), shard);
                self.seqs[shard] += 1;
                let taken = self.shards[shard].take(&change, at(self.seqs[shard]), Sums::default);
                let Taken::Changed(next, _) = taken else { panic!("{change:?}: {taken:?}") };
                self.shards[shard] = next;
                self.logged.insert((place, change.epoch));
                self.told.push(format!("{}@{} to {place}", change.state.state().as_str(), change.epoch));
            }
            Act::Decide(phase) => {
                let epoch = Epoch(self.entry.epoch.0 + 1);
                self.entry = self.entry.followed_by(phase, epoch).unwrap();
                self.told.push(format!("map {epoch}: write to {}", self.entry.shard()));
            }
            Act::Compare | Act::Copy | Act::Wait(_) => panic!("nothing is to be waited for"),
            Act::Finish => return false,
        }
        true
    }
}

const GO_ON: Wishes = Wishes { turn_back: false, may_release: true, may_clean: true };

#[test]
fn a_move_is_these_steps() {
    let mut trial = Trial::begin();
    while trial.step(GO_ON) {}
    let expected = [
        "receiving@7 to 1",
        "copying@7 to 0",
        "map 8: write to 0",
        "awaiting@8 to 1",
        "released@8 to 0",
        "map 9: write to 1",
        "map 10: write to 1",
        "owned@10 to 1",
        "map 11: write to 1",
        "cleaned@10 to 0",
    ];
    assert_eq!(trial.told, expected);
    assert_eq!((trial.shards[0].state, trial.shards[1].state), (State::Cleaned { to: B }, State::Owned));
}

#[test]
fn a_move_that_is_turned_back_anywhere_ends_where_it_was() {
    for steps in 0..6 {
        let mut trial = Trial::begin();
        (0..steps).for_each(|_| assert!(trial.step(GO_ON)));
        assert!(trial.step(Wishes { turn_back: true, ..GO_ON }));
        while trial.step(GO_ON) {}
        assert_eq!(trial.shards[0].state, State::Owned, "after {steps} steps");
        assert_eq!(trial.shards[1].state, State::Cleaned { to: A }, "after {steps} steps");
        let epochs = [trial.shards[0].epoch, trial.shards[1].epoch];
        assert_eq!(epochs, [trial.entry.epoch; 2]);
    }
}

#[test]
fn what_is_activated_is_not_turned_back() {
    let mut trial = Trial::begin();
    (0..7).for_each(|_| assert!(trial.step(GO_ON)));
    let act = trial.next(Wishes { turn_back: true, ..GO_ON });
    assert!(matches!(act, Act::Append(B, _)), "{act:?}");
    assert!(trial.step(GO_ON));
    assert_eq!(trial.next(Wishes::default()), Act::Decide(Phase::Owned));
    assert!(trial.step(GO_ON));
    assert_eq!(trial.next(Wishes::default()), Act::Wait(A), "what A has is kept until it may be cleaned");
}

/// A target that is set back to before it owned the unit, and refuses it when it takes the same frame again.
#[test]
fn what_was_owned_and_is_refused_after_all_turns_back() {
    let mut trial = Trial::begin();
    (0..9).for_each(|_| assert!(trial.step(GO_ON)));
    assert_eq!(trial.entry.phase, Phase::Owned);
    trial.shards[1].refused = Some(trial.entry.epoch);
    assert_eq!(trial.next(GO_ON), Act::Decide(Phase::Refused));
}

#[test]
fn a_source_that_is_behind_its_log_is_not_made_to_release() {
    let mut trial = Trial::begin();
    trial.step(GO_ON);
    let Act::Append(A, change) = trial.next(GO_ON) else { panic!("not told to copy") };
    trial.logged.insert((A, change.epoch));
    assert_eq!(trial.next(GO_ON), Act::Wait(A));
    trial.logged.clear();
    assert!(trial.step(GO_ON));
    assert_eq!(trial.next(GO_ON), Act::Decide(Phase::Releasing));
    assert_eq!(trial.next(Wishes::default()), Act::Copy, "until little is missing");
}

#[test]
fn a_mover_that_knows_nothing_appends_again_what_may_be_logged() {
    let mut trial = Trial::begin();
    (0..4).for_each(|_| assert!(trial.step(GO_ON)));
    let told = trial.told.clone();
    // B has not taken `awaiting` yet, as far as can be seen.
    trial.shards[1].epoch = Epoch(7);
    trial.logged.clear();
    let act = trial.next(GO_ON);
    let Act::Append(B, change) = act else { panic!("{act:?}") };
    assert_eq!(format!("{}@{} to 1", change.state.state().as_str(), change.epoch), told[3]);
}

fn one(shard: ShardId, position: Position) -> [Logged; 1] {
    [Logged { shard, first: position, last: position }]
}

fn sighting(shard: ShardId, seq: u64, ownership: &Ownership) -> Sighting<'_> {
    Sighting { shard, position: at(seq), ownership, parked_from: None }
}

#[test]
fn one_look_answers_who_comes_with_a_receipt_from_before_the_move() {
    let mut trial = Trial::begin();
    (0..8).for_each(|_| assert!(trial.step(GO_ON)));
    let owner = &trial.shards[1];
    let left = trial.shards[0].tenure.unwrap().left.unwrap();
    let looked = [sighting(B, 3, owner)];
    assert_eq!(reader::next(B, &one(A, left), &looked), Reading::Answer(B));
    assert_eq!(reader::next(B, &one(B, at(9)), &looked), Reading::Wait(B), "its own, and not there yet");
    // What came to A later was sent on.
    let later = at(left.seq + 1);
    assert_eq!(reader::next(B, &one(A, later), &looked), Reading::Look(A));
    let mut source = trial.shards[0].clone();
    source.note_edge(B, at(4));
    let both = [sighting(B, 3, owner), sighting(A, later.seq, &source)];
    assert_eq!(reader::next(B, &one(A, later), &both), Reading::Wait(B));
    let both = [sighting(B, 4, owner), sighting(A, later.seq, &source)];
    assert_eq!(reader::next(B, &one(A, later), &both), Reading::Answer(B));
    assert_eq!(reader::next(A, &one(A, later), &both), Reading::Answer(B), "a map of before leads there, too");
}

#[test]
fn a_read_over_all_shards_takes_each_unit_once() {
    let mut trial = Trial::begin();
    let mut picks = Vec::new();
    loop {
        picks.push(reader::pick([A, B].into_iter().zip(&trial.shards)));
        if !trial.step(GO_ON) {
            break;
        }
    }
    let owned = picks.iter().position(|&pick| pick == Pick::From(B)).unwrap();
    assert!(picks[..owned].iter().all(|&pick| pick == Pick::From(A)), "{picks:?}");
    assert!(picks[owned..].iter().all(|&pick| pick == Pick::From(B)), "{picks:?}");
    // B was looked at before it owned, A after it was cleaned.
    let early = Ownership { state: State::Awaiting { from: A }, epoch: Epoch(8), ..Ownership::default() };
    assert_eq!(reader::pick([(A, &trial.shards[0]), (B, &early)].into_iter()), Pick::Again(B));
}
