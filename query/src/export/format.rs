//! The forms of an export.

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// An order a line, as in pages.
    Ndjson,
    /// A header, and an order a record; items and further fields as JSON.
    Csv,
    /// The same columns.
    Parquet,
}

impl Format {
    pub(crate) const ALL: [Self; 3] = [Self::Ndjson, Self::Csv, Self::Parquet];

    /// Its name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    /// The media type that asks for it.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            // RFC 4180 says how a client learns of the header.
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson | Self::Parquet => self.media_type(),
        }
    }

    pub(crate) fn disposition(self) -> &'static str {
        match self {
            Self::Ndjson => "attachment; filename=\"orders.ndjson\"",
            Self::Csv => "attachment; filename=\"orders.csv\"",
            Self::Parquet => "attachment; filename=\"orders.parquet\"",
        }
    }
}
