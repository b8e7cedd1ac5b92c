//! Why something with the log did not work.

use std::path::PathBuf;

use forebay_model::Epoch;

/// Why something with the log did not work.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The address cannot be read.
    #[error("`{0}` is no address of a NATS server, such as nats://127.0.0.1:4225")]
    Address(String),
    /// A file that a connection needs cannot be used. Says nothing of what is in it.
    #[error("the file {}: {reason}", file.display())]
    File {
        /// Which one.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No server answers, or not in time.
    #[error("NATS does not answer at {address}: {reason}")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What was seen instead.
        reason: String,
    },
    /// The server is too old to keep the promise of an acknowledgement.
    #[error("NATS at {address} is version {version}; 2.10.23 or newer is needed")]
    TooOld {
        /// Where the server is.
        address: String,
        /// What it is.
        version: String,
    },
    /// The server has no JetStream, or not for this user.
    #[error("NATS at {address} has no JetStream: {reason}")]
    NoJetStream {
        /// Where the server is.
        address: String,
        /// What it says.
        reason: String,
    },
    /// There is no such stream.
    #[error("there is no stream {0}")]
    NoStream(String),
    /// A stream is there and cannot keep what the log promises.
    #[error("the stream {stream} is not fit to be a log: {fault}")]
    Unfit {
        /// Its name.
        stream: String,
        /// What is wrong with its configuration.
        fault: String,
    },
    /// The stream is another one than the caller means.
    #[error("the stream {stream} was made anew: it is incarnation {found}, not {expected}")]
    OtherIncarnation {
        /// Its name.
        stream: String,
        /// Which one the caller means.
        expected: forebay_model::Incarnation,
        /// Which one is there.
        found: forebay_model::Incarnation,
    },
    /// The server refuses.
    #[error("NATS refuses to {action}: {reason}")]
    Refused {
        /// What was asked for.
        action: String,
        /// What it says.
        reason: String,
    },
}

/// Why a shard map was not stored or read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MapError {
    /// The stored map is not the one that the change was made from.
    #[error("the shard map has changed meanwhile: it is at epoch {current}, so epoch {wanted} cannot follow")]
    Conflict {
        /// The epoch of the stored map.
        current: Epoch,
        /// The epoch that should have been stored.
        wanted: Epoch,
    },
    /// There is no map yet.
    #[error("there is no shard map yet")]
    Absent,
    /// What is stored is no shard map.
    #[error("the stored shard map cannot be read: {0}")]
    Unreadable(String),
    /// The log cannot be asked.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// An error with all of its causes: the client's own texts say little without them.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
