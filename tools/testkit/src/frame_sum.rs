//! The checksum of a frame that a test publishes by hand, so that it is taken for what somebody meant to publish.

use xxhash_rust::xxh3::xxh3_64;

/// The header of the checksum.
pub const FRAME_SUM: &str = "Forebay-Sum";

/// The checksum of a frame with these headers, which are all of its own (`Forebay-…` but the checksum, and `Nats-Msg-Id`).
pub fn frame_sum<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>, payload: &[u8]) -> String {
    let mut lines: Vec<String> = headers.into_iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    lines.sort_unstable();
    let summed = [lines.concat().as_bytes(), b"\n", payload].concat();
    format!("{:016x}", xxh3_64(&summed))
}
