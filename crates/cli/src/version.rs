//! What `forebay --version` says: the release, the commit, and which formats this program writes.
//!
//! Two programs whose formats are the same work side by side; docs/OPERATIONS.md says what happens where they are not.

use forebay_model::Lane;

/// Three lines, the first as everybody's.
pub(crate) fn text(commit: Option<&str>) -> String {
    let frames: Vec<_> = Lane::ALL.iter().map(|lane| lane.format()).collect();
    format!(
        "forebay {}\ncommit {}\nformats frames {}; notices {}; cache entries {}; tables {}\n",
        env!("CARGO_PKG_VERSION"),
        commit.unwrap_or("unknown"),
        frames.join(" "),
        forebay_log::NOTICE_VERSION,
        forebay_query::CACHE_ENTRY_VERSION,
        forebay_shard::TABLES_VERSION,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_changes_is_seen_in_the_version() {
        let text = text(Some("0123abc"));
        let (_, rest) = text.split_once('\n').expect("more than a line");
        let formats = "frames orders/3 events/1 index/2 views/4 view_events/1; notices 4; cache entries 6; tables 17";
        assert_eq!(rest, format!("commit 0123abc\nformats {formats}\n"));
    }
}
