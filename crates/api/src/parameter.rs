//! What may stand behind the `?` of a request.

/// The most orders of a page.
pub const LIMIT_MAX: usize = 1000;
/// The orders of a page where nothing is said.
pub const LIMIT_DEFAULT: usize = 50;
/// The longest wait, in milliseconds.
pub const WAIT_MS_MAX: u64 = 60_000;
/// How long a read waits for what its receipt names where nothing is said, in milliseconds.
pub const WAIT_MS_DEFAULT: u64 = 2000;

/// A parameter of reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// The first moment of a list; RFC 3339.
    Earliest,
    /// The moment before which a list ends; RFC 3339.
    Before,
    /// How many orders a page has.
    Limit,
    /// Where a page begins.
    Cursor,
    /// `asc` or `desc`.
    Order,
    /// `sale` or `return`.
    Kind,
    /// What has become of an order, in a word.
    Status,
    /// `hour`, `day` or `month`.
    By,
    /// A receipt: what it names is waited for.
    After,
    /// How long to wait, in milliseconds.
    WaitMs,
    /// Whether shards that are down may be left out.
    Partial,
    /// Whether orders are shown as they were placed.
    AsPlaced,
    /// The position behind which changes are asked for.
    Since,
    /// `orders` or `items`: what a row of an export is.
    Rows,
}

impl Parameter {
    /// As it stands in a request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Earliest => "from",
            Self::Before => "to",
            Self::Limit => "limit",
            Self::Cursor => "cursor",
            Self::Order => "order",
            Self::Kind => "kind",
            Self::Status => "status",
            Self::By => "by",
            Self::After => "after",
            Self::WaitMs => "wait_ms",
            Self::Partial => "partial",
            Self::AsPlaced => "as_placed",
            Self::Since => "since",
            Self::Rows => "rows",
        }
    }
}
