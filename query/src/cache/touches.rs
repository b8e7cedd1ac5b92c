//! What the notices of one stream say: how far it has come, and what was touched last when.

use std::time::Instant;

use forebay_log::Notice;
use forebay_model::{Incarnation, Position, Touched};

use super::entry::Watch;
use crate::position::SILENCE_MAX;

/// How many hours are told apart: nearly four years.
const HOURS: usize = 1 << 15;

/// The last position that touched each key and hour, in tables of a fixed size: keys that share a place count as touched
/// together, which costs a load now and then and is never wrong.
#[derive(Debug)]
pub(super) struct Touches {
    /// Empty until the first notice.
    chain: Option<Chain>,
    heard_at: Option<Instant>,
    /// Sequence numbers by key; made when it is needed. Its length is a power of two.
    keys: Vec<u64>,
    keys_max: usize,
    /// Sequence numbers by hour.
    hours: Vec<u64>,
    /// All hours that were touched lie between these; empty before the first.
    touched_hours: Option<(i32, i32)>,
    /// The last commit that touched anything.
    any: u64,
}

/// An unbroken run of notices.
#[derive(Clone, Copy, Debug)]
struct Chain {
    incarnation: Incarnation,
    /// What was touched before is not known, from here on it is.
    from: u64,
    to: u64,
}

impl Touches {
    /// Tells about `keys` keys apart, rounded up to a power of two.
    pub(super) fn new(keys_max: usize) -> Self {
        let keys_max = keys_max.next_power_of_two();
        Self { chain: None, heard_at: None, keys: Vec::new(), keys_max, hours: Vec::new(), touched_hours: None, any: 0 }
    }

    /// Takes note. False where notices before this one were not heard.
    pub(super) fn note(&mut self, notice: &Notice, now: Instant) -> bool {
        let (before, after) = (notice.before, notice.after);
        let goes_on = |chain: &Chain| chain.incarnation == before.incarnation && chain.to == before.seq;
        let is_next = self.chain.as_ref().is_some_and(goes_on) && before.incarnation == after.incarnation;
        let is_first = self.chain.is_none();
        let chain = match self.chain.filter(|_| is_next) {
            Some(chain) => Chain { to: after.seq, ..chain },
            None => self.begin(before, after),
        };
        self.chain = Some(chain);
        self.heard_at = Some(now);
        if !notice.is_heartbeat() {
            self.touch(&notice.touched, after.seq);
        }
        is_next || is_first
    }

    /// Until the next notice, nothing is known for sure.
    pub(super) fn deafen(&mut self) {
        self.heard_at = None;
    }

    pub(super) fn is_heard(&self, now: Instant) -> bool {
        self.heard_at.is_some_and(|at| now.duration_since(at) <= SILENCE_MAX)
    }

    /// The position up to which something that was read at `stamp` is known to be unchanged, which may be a later one; `None`
    /// where it was touched since, or that is not known, or the log is another. Without `watch` it cannot be touched.
    pub(super) fn confirm(&self, watch: Option<Watch>, stamp: Position, now: Instant) -> Option<Position> {
        let chain = self.chain.filter(|chain| self.is_heard(now) && chain.incarnation == stamp.incarnation)?;
        let is_untouched = match watch {
            None => true,
            Some(watch) => chain.from <= stamp.seq && self.last_touch(watch) <= stamp.seq,
        };
        is_untouched.then_some(Position { seq: stamp.seq.max(chain.to), ..stamp })
    }

    /// Where something was touched last; `None` where nothing is known of it.
    pub(super) fn last_position(&self, watch: Watch) -> Option<Position> {
        let incarnation = self.chain?.incarnation;
        Some(self.last_touch(watch)).filter(|&seq| seq > 0).map(|seq| Position { incarnation, seq })
    }

    /// A chain begins anew: something was missed, or the position went back, or it is another stream.
    fn begin(&mut self, before: Position, after: Position) -> Chain {
        self.keys.fill(0);
        self.hours.fill(0);
        self.touched_hours = None;
        self.any = 0;
        let from = if before.incarnation == after.incarnation { before.seq } else { after.seq };
        Chain { incarnation: after.incarnation, from, to: after.seq }
    }

    fn touch(&mut self, touched: &Touched, seq: u64) {
        self.any = seq;
        match touched {
            Touched::Everything => {
                if let Some(chain) = &mut self.chain {
                    chain.from = seq;
                }
            }
            Touched::These { keys, hours } => {
                self.keys.resize(self.keys_max, 0);
                self.hours.resize(HOURS, 0);
                for &key in keys {
                    let place = place_of_key(key, self.keys.len());
                    self.keys[place] = seq;
                }
                for &hour in hours {
                    self.hours[place_of_hour(hour)] = seq;
                    let (first, last) = self.touched_hours.unwrap_or((hour, hour));
                    self.touched_hours = Some((first.min(hour), last.max(hour)));
                }
            }
        }
    }

    fn last_touch(&self, watch: Watch) -> u64 {
        match watch {
            _ if self.keys.is_empty() => 0,
            Watch::Key(key) => self.keys[place_of_key(key, self.keys.len())],
            Watch::Hours { first, last } => self.last_touch_between(first, last),
        }
    }

    /// Of these hours; most ranges are open to a side where nothing was ever touched.
    fn last_touch_between(&self, first: i32, last: i32) -> u64 {
        let Some((earliest, latest)) = self.touched_hours else { return 0 };
        let (first, last) = (first.max(earliest), last.min(latest));
        if i64::from(last) - i64::from(first) >= HOURS as i64 {
            return self.any;
        }
        (first..=last).map(|hour| self.hours[place_of_hour(hour)]).max().unwrap_or_default()
    }
}

/// The keys are hashes already.
fn place_of_key(key: u64, places: usize) -> usize {
    key as usize & (places - 1)
}

fn place_of_hour(hour: i32) -> usize {
    hour.rem_euclid(HOURS as i32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use forebay_model::{ShardId, StreamKind, Timestamp};
    use proptest::prelude::*;

    const KEYS: u64 = 5;
    const FIRST_HOUR: i32 = 482_000;

    fn at(incarnation: u64, seq: u64) -> Position {
        Position { incarnation: Incarnation::new(incarnation), seq }
    }

    fn notice(before: Position, after: Position, touched: Touched) -> Notice {
        let committed_at = Timestamp::from_unix_us(0);
        Notice { stream: StreamKind::Logged.on(ShardId(0)), before, after, committed_at, touched, derived: Vec::new() }
    }

    fn these(keys: &[u64], hours: &[i32]) -> Touched {
        Touched::These { keys: keys.to_vec(), hours: hours.to_vec() }
    }

    #[test]
    fn silence_and_what_came_before_the_first_notice_leave_everything_open() {
        let (mut touches, now) = (Touches::new(8), Instant::now());
        let watch = Some(Watch::Key(1));
        assert_eq!(touches.confirm(watch, at(1, 5), now), None);
        assert!(
            touches
                .note(&Notice::heartbeat(StreamKind::Logged.on(ShardId(0)), at(1, 5), Timestamp::from_unix_us(0)), now)
        );
        assert_eq!(touches.confirm(watch, at(1, 5), now), Some(at(1, 5)));
        assert_eq!(touches.confirm(watch, at(1, 4), now), None);
        assert_eq!(touches.confirm(None, at(1, 4), now), Some(at(1, 5)));
        assert_eq!(touches.confirm(watch, at(2, 5), now), None);
        assert_eq!(touches.confirm(watch, at(1, 5), now + SILENCE_MAX * 2), None);
        touches.deafen();
        assert_eq!(touches.confirm(watch, at(1, 5), now), None);
    }

    #[test]
    fn ranges_without_an_end_are_told_from_what_was_touched() {
        let (mut touches, now) = (Touches::new(8), Instant::now());
        touches.note(&notice(at(1, 0), at(1, 3), these(&[], &[100])), now);
        touches.note(&notice(at(1, 3), at(1, 7), these(&[], &[200])), now);
        let confirm = |first, last, seq| touches.confirm(Some(Watch::Hours { first, last }), at(1, seq), now).is_some();
        assert!(confirm(201, i32::MAX, 1) && confirm(i32::MIN, 99, 1) && confirm(101, 199, 1));
        assert!(!confirm(150, i32::MAX, 6) && confirm(150, i32::MAX, 7));
        assert!(!confirm(i32::MIN, 150, 2) && confirm(i32::MIN, 150, 3));
    }

    /// A commit: what it touches, and whether its notice is heard.
    #[derive(Clone, Debug)]
    struct Commit {
        keys: BTreeSet<u64>,
        hours: BTreeSet<i32>,
        everything: bool,
        heard: bool,
        /// The position went back before it, as after the promotion of a replica.
        back: u64,
    }

    prop_compose! {
        fn commits()(all in prop::collection::vec((
            prop::collection::btree_set(0..KEYS, 0..3),
            prop::collection::btree_set(FIRST_HOUR..FIRST_HOUR + 4, 0..3),
            prop::bool::weighted(0.05), prop::bool::weighted(0.8),
            prop_oneof![9 => Just(0), 1 => 1..4u64],
        ), 1..40)) -> Vec<Commit> {
            let commit = |(keys, hours, everything, heard, back)| Commit { keys, hours, everything, heard, back };
            all.into_iter().map(commit).collect()
        }
    }

    proptest! {
        /// The log is the truth: frame `n` touches the same things, however often it is applied.
        #[test]
        fn what_is_confirmed_was_not_touched(commits in commits(), stamp in 0u64..40) {
            let now = Instant::now();
            let mut touches = Touches::new(2);
            let mut position = 0;
            let mut frames: Vec<&Commit> = Vec::new();
            for commit in &commits {
                let before = position.max(commit.back) - commit.back;
                let again = &frames[before as usize..];
                let with = |of: fn(&Commit) -> bool| again.iter().any(|frame| of(frame)) || of(commit);
                let keys = again.iter().flat_map(|frame| &frame.keys).chain(&commit.keys).copied().collect();
                let hours = again.iter().flat_map(|frame| &frame.hours).chain(&commit.hours).copied().collect();
                let everything = with(|frame| frame.everything);
                frames.push(commit);
                position = frames.len() as u64;
                if commit.heard {
                    let touched = if everything { Touched::Everything } else { Touched::These { keys, hours } };
                    touches.note(&notice(at(1, before), at(1, position), touched), now);
                }
            }
            for key in 0..KEYS {
                if let Some(to) = touches.confirm(Some(Watch::Key(key)), at(1, stamp), now) {
                    let between = frames.iter().take(to.seq as usize).skip(stamp as usize);
                    prop_assert!(between.clone().all(|frame| !frame.keys.contains(&key) && !frame.everything));
                }
            }
            for first in FIRST_HOUR - 1..FIRST_HOUR + 5 {
                for last in first..FIRST_HOUR + 6 {
                    if let Some(to) = touches.confirm(Some(Watch::Hours { first, last }), at(1, stamp), now) {
                        let mut between = frames.iter().take(to.seq as usize).skip(stamp as usize);
                        prop_assert!(between.all(|frame| frame.hours.range(first..=last).next().is_none() && !frame.everything));
                    }
                }
            }
        }
    }
}
