//! What the records of a batch are.

/// What the records of a batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordKind {
    Orders,
    Events,
}

impl RecordKind {
    /// One of them.
    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::Orders => "order",
            Self::Events => "event",
        }
    }
}
