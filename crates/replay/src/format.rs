//! The formats of files.

use std::path::Path;

/// How a file holds its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A record on each line.
    Ndjson,
    /// A JSON array of records, or a document in which a map finds them.
    Json,
    /// Lines of items, made into orders by a map.
    Csv,
    /// An export, or lines of items, made into orders by a map.
    Parquet,
}

impl Format {
    /// The format that a file's name tells; a name may have `.gz`, `.zst` or `.zip` behind it.
    pub(crate) fn of_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        let plain = [".gz", ".zst", ".zstd", ".zip"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        match plain.rsplit_once('.')?.1 {
            "ndjson" | "jsonl" | "ldjson" => Some(Self::Ndjson),
            "json" => Some(Self::Json),
            "csv" | "tsv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// The format that a file's first bytes tell.
    pub(crate) fn of_head(head: &[u8]) -> Option<Self> {
        match head.trim_ascii_start().first()? {
            b'{' => Some(Self::Ndjson),
            b'[' => Some(Self::Json),
            b'P' if head.starts_with(b"PAR1") => Some(Self::Parquet),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_the_file_s_name_or_its_first_bytes() {
        for (name, format) in [
            ("orders.ndjson", Some(Format::Ndjson)),
            ("orders.JSONL.gz", Some(Format::Ndjson)),
            ("a.b/orders.json.zst", Some(Format::Json)),
            ("2010-12-01.csv", Some(Format::Csv)),
            ("x.parquet", Some(Format::Parquet)),
            ("orders", None),
            ("orders.gz", None),
            ("-", None),
        ] {
            assert_eq!(Format::of_name(Path::new(name)), format, "{name}");
        }
        assert_eq!(Format::of_head(b" \n[{"), Some(Format::Json));
        assert_eq!(Format::of_head(b"{}"), Some(Format::Ndjson));
        assert_eq!(Format::of_head(b"a,b"), None);
        assert_eq!(Format::of_head(b""), None);
    }
}
