//! The TOML file of API clients.
//!
//! ```toml
//! [[client]]
//! name = "shop"
//! token_sha256 = "…64 hexadecimal digits…"   # printf %s "$TOKEN" | sha256sum
//! rights = ["write", "read"]
//! orders_per_s = 500                         # optional
//! ```

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::path::Path;

use serde::Deserialize;

use super::client::{Client, Right};
use super::clients::{Clients, Listed};
use crate::settings::command_line::BadSetting;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    client: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    token_sha256: String,
    rights: Vec<Right>,
    orders_per_s: Option<NonZeroU32>,
}

impl Clients {
    /// The clients of a file; open access without one. Every fault of the file is a line that says where it is.
    pub fn load(file: Option<&Path>) -> Result<Self, BadSetting> {
        let Some(path) = file else { return Ok(Self::open()) };
        let text = std::fs::read_to_string(path)
            .map_err(|error| BadSetting::new(format!("clients file {}: {error}", path.display())))?;
        let listed =
            parse(&text).map_err(|fault| BadSetting::new(format!("clients file {}: {fault}", path.display())))?;
        Ok(Self { listed: Some(listed.into()) })
    }
}

fn parse(text: &str) -> Result<Vec<Listed>, String> {
    let file: File = toml::from_str(text).map_err(|error| one_line(text, &error))?;
    let (mut names, mut tokens) = (HashSet::new(), HashSet::new());
    file.client
        .into_iter()
        .map(|entry| {
            let name = entry.name.clone();
            let listed = listed(entry).map_err(|fault| format!("client {name:?}: {fault}"))?;
            if !tokens.insert(listed.token_sha256) {
                return Err(format!("client {name:?}: another client has the same token"));
            }
            if !names.insert(name.clone()) {
                return Err(format!("client {name:?} is there twice"));
            }
            Ok(listed)
        })
        .collect()
}

fn listed(entry: Entry) -> Result<Listed, &'static str> {
    if entry.name.is_empty() || entry.name.chars().any(char::is_control) {
        return Err("the name is empty or has control characters");
    }
    if entry.rights.is_empty() {
        return Err("rights must name read, write or both");
    }
    let token_sha256 = sha256_from_hex(&entry.token_sha256).ok_or("token_sha256 must be 64 hexadecimal digits")?;
    let client = Client {
        name: entry.name.as_str().into(),
        rights: entry.rights.into_iter().collect(),
        orders_per_s: entry.orders_per_s,
    };
    Ok(Listed { token_sha256, client })
}

fn sha256_from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut sum = [0; 32];
    for (byte, pair) in sum.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (char::from(pair[0]).to_digit(16)?, char::from(pair[1]).to_digit(16)?);
        *byte = (high << 4 | low) as u8;
    }
    Some(sum)
}

/// The error's own text draws the place over several lines; a line number says the same.
fn one_line(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().replace('\n', " ");
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn a_good_file_is_read() {
        let text = format!(
            "[[client]]\nname='shop'\ntoken_sha256='{SUM}'\nrights=['write']\norders_per_s=500\n\
             [[client]]\nname='desk'\ntoken_sha256='{}'\nrights=['read','write']\n",
            SUM.to_uppercase().replace('9', "8")
        );
        let listed = parse(&text).expect("the file is good");
        assert_eq!(listed[0].token_sha256[..2], [0x9f, 0x86]);
        assert!(listed[0].client.rights.has(Right::Write) && !listed[0].client.rights.has(Right::Read));
        assert_eq!(listed[0].client.orders_per_s, NonZeroU32::new(500));
        assert_eq!(listed[1].client.name.as_str(), "desk");
    }

    #[test]
    fn every_fault_is_one_line_that_says_where() {
        let good = format!("[[client]]\nname='a'\ntoken_sha256='{SUM}'\nrights=['read']\n");
        for (text, expected) in [
            (good.replace("9f86", "xx86"), "client \"a\": token_sha256 must be 64 hexadecimal digits"),
            (good.replace("9f86", ""), "client \"a\": token_sha256 must be 64 hexadecimal digits"),
            (good.replace("['read']", "[]"), "client \"a\": rights must name read, write or both"),
            (good.replace("'a'", "''"), "client \"\": the name is empty or has control characters"),
            (good.replace("['read']", "['admin']"), "line 4: unknown variant `admin`, expected `read` or `write`"),
            (good.clone() + "limit=1", "line 5: unknown field `limit`"),
            (good.clone() + "orders_per_s=0", "line 5: invalid value: integer `0`, expected a nonzero u32"),
            (good.clone() + &good.replace("9f86", "8f86"), "client \"a\" is there twice"),
            (good.clone() + &good.replace("'a'", "'b'"), "client \"b\": another client has the same token"),
            ("client = [".to_owned(), "line 1: "),
            (String::new(), "missing field `client`"),
        ] {
            let fault = parse(&text).expect_err(expected);
            assert!(fault.contains(expected) && !fault.contains('\n'), "{fault:?} is not {expected:?}");
        }
    }
}
