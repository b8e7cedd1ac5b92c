//! Waiting for a condition, and for a future, with a deadline.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::Instant;

/// How long anything may take that must happen: long enough on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(100);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks again and again until something holds, and gives what was seen then. Each look says whether it holds, and what it sees;
/// the last of that is told where it does not hold in time.
pub async fn eventually<S: Debug>(what: &str, mut look: impl AsyncFnMut() -> (bool, S)) -> S {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let (holds, seen) = look().await;
        if holds {
            return seen;
        }
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}; last seen: {seen:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Tries again and again until it works.
pub async fn eventually_ok<T: Debug, E: Debug>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T, E>) -> T {
    let last = eventually(what, async || {
        let outcome = attempt().await;
        (outcome.is_ok(), outcome)
    });
    last.await.expect("it was seen to work")
}

/// Waits for something that must happen soon.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it happens in time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_seen_when_it_holds_is_given() {
        let mut looks = 0;
        let seen = eventually("the third look", async || {
            looks += 1;
            (looks == 3, looks)
        });
        assert_eq!(seen.await, 3);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "not within 100s: a miracle; last seen: \"nothing\"")]
    async fn what_does_not_happen_fails_with_what_was_seen_last() {
        let begun = tokio::time::Instant::now();
        eventually("a miracle", async || {
            assert!(begun.elapsed() < DEADLINE * 2, "it is looked at for ever");
            (false, "nothing")
        })
        .await;
    }
}
