//! What there is to know while a run goes on.

use std::sync::Arc;
use std::time::Duration;

/// Who is told. Clones tell the same one.
pub type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// What is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// It begins, with how many bytes the files have, where that is known.
    Begins {
        /// Their length on the disk, compressed or not.
        bytes: Option<u64>,
    },
    /// A file of rejected records, of an earlier run, has made room for that of this one.
    Kept {
        /// Which.
        file: String,
        /// What it is called now.
        kept: String,
    },
    /// An interrupted run has sent this file to its end.
    SentBefore {
        /// Which.
        file: String,
    },
    /// An interrupted run has left nothing of this file to go on with.
    Anew {
        /// Which.
        file: String,
    },
    /// An interrupted run had begun with this file, and seen nothing of it acknowledged.
    Unacknowledged {
        /// Which.
        file: String,
    },
    /// It goes on with a file where an interrupted run has stopped.
    GoesOn {
        /// Which.
        file: String,
        /// How many records were sent.
        behind: u64,
    },
    /// A file has nothing in it.
    Empty {
        /// Which.
        file: String,
    },
    /// A file begins with all of one that was sent before, and so is taken for it.
    Grown {
        /// Which.
        file: String,
        /// Where that one lay.
        from: String,
    },
    /// The encoding of a file was guessed.
    Guessed {
        /// Which.
        file: String,
        /// The name of the encoding.
        encoding: &'static str,
    },
    /// Some more is settled.
    Advanced {
        /// Bytes of the files.
        bytes: u64,
        /// Records that were accepted, in all.
        records: u64,
        /// Since when.
        seconds: f64,
    },
    /// Everything is sent, and it is waited until it is decided what becomes of it.
    Waits {
        /// Of how many records that is not known.
        records: u64,
    },
    /// Sending, or asking what became of records, is held up.
    HeldUp {
        /// By what.
        what: String,
    },
    /// It goes on.
    Resumed {
        /// After so long.
        after: Duration,
    },
    /// Something cannot be done; what else can be done is.
    Failed {
        /// One sentence.
        what: String,
    },
    /// It was interrupted, and waits for answers.
    Stopping,
}
