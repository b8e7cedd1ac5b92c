//! The receipts of a run, asked about one after the other, the oldest first: when it is decided, most of the others are.

use std::pin::Pin;
use std::sync::Arc;

use crate::event::{Event, Tell};
use crate::fate::ask::{Asker, Fate};
use crate::journal::Journal;

type Asking = Pin<Box<dyn Future<Output = Result<Fate, String>> + Send>>;

/// Who asks about a run's receipts.
pub(crate) struct Watch {
    /// Nobody, where it is not asked, or makes no sense any more.
    asker: Option<Arc<Asker>>,
    /// About the oldest.
    asking: Option<Asking>,
    tell: Tell,
}

impl Watch {
    pub(crate) fn new(asker: Option<Asker>, tell: Tell) -> Self {
        Self { asker: asker.map(Arc::new), asking: None, tell }
    }

    /// Whether anything will be told.
    pub(crate) fn is_asking(&self) -> bool {
        self.asker.is_some()
    }

    /// What became of the oldest open request; never returns where there is none. What it waits for goes on when it is dropped
    /// and called again.
    pub(crate) async fn told(&mut self, oldest: Option<String>) -> Result<Fate, String> {
        let (Some(asker), Some(oldest)) = (&self.asker, oldest) else { return std::future::pending().await };
        let asking = self.asking.get_or_insert_with(|| Box::pin(Arc::clone(asker).ask(oldest)));
        let told = asking.await;
        self.asking = None;
        told
    }

    /// Takes note of what was told. Where query is gone, nobody asks any more: sending goes on.
    pub(crate) fn note(&mut self, told: Result<Fate, String>, journal: &mut Journal) {
        match told {
            Ok(Fate::Report(report)) => journal.close_oldest(Some(report)),
            Ok(Fate::Gone(what)) => {
                (self.tell)(Event::Failed { what });
                journal.close_oldest(None);
            }
            Err(what) => {
                (self.tell)(Event::Failed { what: format!("{what}; what becomes of them is not asked any more") });
                self.asker = None;
            }
        }
    }
}
