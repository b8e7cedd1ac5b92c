//! Waiting for what other processes do, however long that takes.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How often it is asked.
const POLL: Duration = Duration::from_millis(100);
/// How long it may take before somebody is told that it is waited for.
const TOLD_AFTER: Duration = Duration::from_secs(3);

/// Asks until there is an answer. Tells once, where that takes longer.
pub(crate) async fn until<T>(tell: impl Fn(), mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let (begun, mut told) = (Instant::now(), false);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        if !told && begun.elapsed() > TOLD_AFTER {
            tell();
            told = true;
        }
        sleep(POLL).await;
    }
}
