//! Trying again, until it is done or there was no progress for too long.

use std::time::{Duration, Instant};

use forebay_task::Backoff;

use crate::answer::{Answer, Error, Refusal};
use crate::service::Lost;

/// How long to wait before something is tried again, where the service does not say it.
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// How long something has been tried without progress.
pub(crate) struct Patience {
    most: Duration,
    since: Instant,
    backoff: Backoff,
}

impl Patience {
    pub(crate) fn new(most: Duration) -> Self {
        Self { most, since: Instant::now(), backoff: RETRY }
    }

    /// Something was done.
    pub(crate) fn renew(&mut self) {
        self.since = Instant::now();
        self.backoff.reset();
    }

    /// Waits where it cannot be had now.
    pub(crate) async fn later(&mut self, refusal: Refusal, after: Option<Duration>) -> Result<(), Error> {
        self.wait(after).await.map_err(|Over| Error::NotNow(refusal))
    }

    /// Waits where there was no answer.
    pub(crate) async fn lost(&mut self, lost: Lost) -> Result<(), Error> {
        self.wait(None).await.map_err(|Over| Error::Lost(lost))
    }

    /// What was given; `None` where it is time to ask again.
    pub(crate) async fn judge<T>(&mut self, answer: Answer<T>) -> Result<Option<T>, Error> {
        match answer {
            Answer::Given(given) => return Ok(Some(given)),
            Answer::Later(refusal, after) => self.later(refusal, after).await?,
            Answer::Refused(refusal) => return Err(Error::Refused(refusal)),
            Answer::Lost(lost) => self.lost(lost).await?,
        }
        Ok(None)
    }

    async fn wait(&mut self, after: Option<Duration>) -> Result<(), Over> {
        let pause = after.unwrap_or_else(|| self.backoff.after_failure());
        if self.since.elapsed() + pause > self.most {
            return Err(Over);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// It was tried for too long.
struct Over;
