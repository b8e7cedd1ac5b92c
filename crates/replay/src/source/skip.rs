//! What of a file is passed over.

/// What of a file is not sent, because an earlier run has sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    /// A number of records.
    Records(u64),
    /// The rows up to that key, with how many records they were.
    Behind { key: String, records: u64 },
    /// All of them.
    Everything,
}
