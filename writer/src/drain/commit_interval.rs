//! How long a stream waits from one commit to the next.

use std::time::Duration;

use tokio::time::Instant;

/// The least time from the beginning of one commit to that of the next. Rows that come one by one would otherwise be committed one by one, and take
/// the disk's time from those that wait for the log's acknowledgement.
const COMMIT_EVERY: Duration = Duration::from_millis(50);
/// A stream rests that many times as long as its commit took, so that a machine that is busy has fewer and larger commits.
const REST: u32 = 3;
/// No longer than that: it is seen by those who wait to read what they wrote.
const REST_MAX: Duration = Duration::from_millis(200);
/// A stream whose rows have waited longer than that is behind, and does not rest.
const BEHIND: Duration = Duration::from_secs(1);

/// When the next commit may begin, behind one that has just ended. `age` is that of its oldest row, where it had any.
pub(super) fn next_commit(begun: Instant, ended: Instant, age: Option<Duration>) -> Instant {
    let is_behind = age.is_none_or(|age| age > BEHIND);
    let rest = if is_behind { Duration::ZERO } else { ((ended - begun) * REST).min(REST_MAX) };
    (begun + COMMIT_EVERY).max(ended + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_stream_that_keeps_up_rests_and_one_that_is_behind_goes_on(took in 0u64..2000, age in proptest::option::of(0u64..2000)) {
            let (begun, took, age) = (Instant::now(), Duration::from_millis(took), age.map(Duration::from_millis));
            let next = next_commit(begun, begun + took, age);
            prop_assert!(next >= begun + COMMIT_EVERY && next >= begun + took);
            prop_assert!(next <= begun + COMMIT_EVERY.max(took + REST_MAX));
            let rests = next > begun + COMMIT_EVERY.max(took);
            let is_long = took * (REST + 1) > COMMIT_EVERY && !took.is_zero();
            prop_assert_eq!(rests, is_long && age.is_some_and(|age| age <= BEHIND), "{:?} behind {:?} of {:?}", next - begun, took, age);
        }
    }
}
