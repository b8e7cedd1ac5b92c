//! What a run leaves behind, byte for byte: how far it has come, for another one, and what was rejected, for people and programs.

use std::path::PathBuf;

use forebay_testkit::golden;

use crate::chunk::LineSpan;
use crate::journal::rejects::Reject;
use crate::journal::rejects_file::RejectsFile;
use crate::journal::state::{Saved, VERSION};
use crate::source::input::Identity;

#[test]
fn states_keep_their_form() {
    let known = serde_json::json!({
        "accepted": 5000, "rejected": 2, "stored": 4000, "duplicates": 9, "dead": 1, "dead_by_reason": {"conflict": 1},
        "first_dead": [{"order_id": "ORD-\u{e9}", "reason": "conflict", "letter": "0/1", "records": {"first": 7, "end": 8}}],
        "open": [{"receipt": "l0.1.2", "accepted": 990, "records": {"first": 4012, "end": 5002}}],
    });
    let known = serde_json::from_value(known).unwrap();
    let saved = Saved {
        file: Identity {
            path: PathBuf::from("/data/caf\u{e9}.ndjson"),
            bytes: u64::MAX,
            modified_s: -1,
            modified_ns: 2,
            etag: None,
        },
        to: "http://127.0.0.1:8080".to_owned(),
        reading: "csv 0123456789abcdef".to_owned(),
        records: 4711,
        key: None,
        complete: false,
        known,
        rejects: PathBuf::from("/data/caf\u{e9}.ndjson.rejects"),
        rejects_bytes: 3,
    };
    let kept = golden!(format!("state-{VERSION}.json"), saved.write().unwrap());
    assert_eq!(Saved::read(&kept).unwrap(), saved);
    let text = String::from_utf8(kept).unwrap();
    for (later, said) in [
        (
            text.replace("\"version\": 1", "\"version\": 2"),
            "another version of forebay has written it; run without --resume",
        ),
        (text.replace("\"version\": 1,", ""), "it is damaged; run without --resume"),
    ] {
        assert_ne!(later, text);
        assert_eq!(Saved::read(later.as_bytes()).unwrap_err().to_string(), said);
    }
}

/// Nothing here reads them; other programs find the same fields.
#[test]
fn rejects_keep_their_form() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rejects");
    let reject = |line, order_id: Option<&str>, record: &str| Reject {
        place: LineSpan { line, lines: 1 },
        order_id: order_id.map(str::to_owned),
        code: "invalid".to_owned(),
        detail: "/items must not be empty".to_owned(),
        record: Some(record.as_bytes().to_vec()),
    };
    let rejects =
        [reject(1, Some("ORD-\u{e9}"), "{\"order_id\":\"ORD-\u{e9}\", \"n\": 1e2}"), reject(3, None, "{torn")];
    RejectsFile::new(path.clone()).unwrap().0.write("orders.ndjson", &rejects).unwrap();
    golden!("rejects.ndjson", std::fs::read(&path).unwrap());
}
