//! JSON, written member by member.

use serde_json::ser::to_writer;

/// A member that is a text.
pub(super) fn text_member(json: &mut Vec<u8>, name: &str, value: &str) {
    key(json, name);
    text(json, value);
}

/// A member that is an integer.
pub(super) fn number_member(json: &mut Vec<u8>, name: &str, value: i64) {
    key(json, name);
    json.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The name of the next member. The first one of members that come into an object later has a comma before it, too.
pub(super) fn key(json: &mut Vec<u8>, name: &str) {
    if !json.ends_with(b"{") || json.is_empty() {
        json.push(b',');
    }
    text(json, name);
    json.push(b':');
}

fn text(json: &mut Vec<u8>, text: &str) {
    to_writer(json, text).expect("a text is JSON, and a Vec takes everything");
}
