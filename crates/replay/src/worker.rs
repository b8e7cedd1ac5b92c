//! A worker takes chunks and brings them somewhere; several work at the same time.

use std::sync::{Arc, PoisonError};

use anyhow::{Context, Error};
use forebay_service::Shutdown;
use tokio::sync::{Mutex, mpsc};

use crate::check::Checker;
use crate::delivery::sender::{Delivered, Sender, Undelivered};
use crate::journal::Ended;
use crate::report::Reporting;
use crate::source::reader::Handed;

/// What is done with chunks.
#[derive(Clone)]
pub(crate) enum Work {
    /// They are sent to ingest.
    Deliver(Box<Sender>),
    /// They are only checked here.
    Check(Box<Checker>, Reporting),
}

/// The first thing that made the run fail.
pub(crate) type Failure = Arc<std::sync::Mutex<Option<Error>>>;

/// Takes chunks, one after the other.
pub(crate) struct Worker {
    pub(crate) work: Work,
    pub(crate) chunks: Arc<Mutex<mpsc::Receiver<Handed>>>,
    pub(crate) ended: mpsc::Sender<Ended>,
    pub(crate) failure: Failure,
    pub(crate) shutdown: Shutdown,
    /// Whether files can be read again: the ids of records without one may depend on the file only then.
    pub(crate) can_be_read_again: Arc<[bool]>,
}

impl Worker {
    /// Works until there are no more chunks, or the run stops.
    pub(crate) async fn run(self) {
        while let Some(handed) = self.next().await {
            let (delivered, outcome) = self.work_on(&handed).await;
            let whole = outcome.is_ok();
            if let Err(Undelivered::Failed(error)) = outcome {
                self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                self.shutdown.start();
            }
            if self.ended.send(Ended::new(handed, &delivered, whole)).await.is_err() {
                return;
            }
        }
    }

    async fn next(&self) -> Option<Handed> {
        let next = async { self.chunks.lock().await.recv().await };
        self.shutdown.soft().run_until_cancelled(next).await.flatten()
    }

    async fn work_on(&self, handed: &Handed) -> (Delivered, Result<(), Undelivered>) {
        let Handed { chunk, source_name, .. } = handed;
        match &self.work {
            Work::Deliver(sender) => {
                let source_name = self.can_be_read_again[chunk.file].then(|| source_name.clone());
                sender.deliver(chunk, source_name).await
            }
            Work::Check(checker, reporting) => {
                let (delivered, kept) = reporting.check(checker, chunk);
                let kept = kept.context("a temporary file of what was seen").map_err(Undelivered::Failed);
                (delivered, kept)
            }
        }
    }
}
