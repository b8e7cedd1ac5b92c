//! The TOML file of API clients. It is read again when it changes.
//!
//! ```toml
//! [[client]]
//! name = "shop"
//! key_sha256 = "…64 hexadecimal digits…"     # printf %s "$KEY" | sha256sum; a list while keys are rotated
//! rights = ["orders:write", "events:write"]  # or "write"
//! orders_per_s = 500                         # optional, and so is
//! requests_per_s = 100
//!
//! [[client]]
//! name = "shop of C1"
//! key_sha256 = "…"
//! rights = ["read"]
//! customer = "C1"                            # it is bound to that customer; or to a key of a view: seller = "S7"
//! tenant = "T1"                              # where several share the system: to that tenant
//!
//! [[client]]
//! name = "warehouse"
//! cert_san = "spiffe://example.org/warehouse" # a URI or host of its certificate; or cert_sha256: the sum of all of it (DER)
//! rights = ["read"]
//! ```

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use forebay_api::Right;
use forebay_model::Tenant;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::binding::Binding;
use super::client::Client;
use super::listed::{Credential, Listed};
use super::tenancy;
use crate::followed::Followed;
use crate::settings::command_line::BadSetting;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    client: Vec<ClientEntry>,
}

#[derive(Default)]
struct ClientEntry {
    name: Option<String>,
    key_sha256: Option<Texts>,
    cert_sha256: Option<Texts>,
    cert_san: Option<Texts>,
    rights: Option<Vec<String>>,
    orders_per_s: Option<NonZeroU32>,
    requests_per_s: Option<NonZeroU32>,
    tenant: Option<String>,
    /// Every other field is the name of something to be bound to: which views there are, a process finds out later.
    bindings: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text, or a list of texts")]
enum Texts {
    One(String),
    Several(Vec<String>),
}

impl<'de> Deserialize<'de> for ClientEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = ClientEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a client")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<ClientEntry, A::Error> {
        let mut entry = ClientEntry::default();
        while let Some(field) = fields.next_key::<String>()? {
            match field.as_str() {
                "name" => entry.name = Some(fields.next_value()?),
                "key_sha256" => entry.key_sha256 = Some(fields.next_value()?),
                "cert_sha256" => entry.cert_sha256 = Some(fields.next_value()?),
                "cert_san" => entry.cert_san = Some(fields.next_value()?),
                "rights" => entry.rights = Some(fields.next_value()?),
                "orders_per_s" => entry.orders_per_s = Some(fields.next_value()?),
                "requests_per_s" => entry.requests_per_s = Some(fields.next_value()?),
                tenancy::FIELD => entry.tenant = Some(fields.next_value()?),
                _ => entry.bindings.push((field, fields.next_value()?)),
            }
        }
        Ok(entry)
    }
}

/// The clients of a file, which is to be read again when it changes.
///
/// # Errors
/// Every fault of the file is a line that says where it is.
pub(super) fn follow(path: &Path) -> Result<Followed<Vec<Listed>>, BadSetting> {
    Followed::new("clients file", vec![path.to_owned()], || read(path)).map_err(BadSetting::new)
}

pub(super) fn read(path: &Path) -> Result<Vec<Listed>, String> {
    let said = |fault: String| format!("clients file {}: {fault}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| said(error.to_string()))?;
    parse(&text).map_err(said)
}

pub(super) fn parse(text: &str) -> Result<Vec<Listed>, String> {
    let file: File = toml::from_str(text).map_err(|error| one_line(text, &error))?;
    let (mut names, mut credentials) = (HashSet::new(), HashSet::new());
    let mut all = Vec::new();
    for entry in file.client {
        let name = entry.name.clone().ok_or("a client has no name")?;
        let listed = listed(entry).map_err(|fault| format!("client {name:?}: {fault}"))?;
        for entry in &listed {
            if !credentials.insert(entry.credential.clone()) {
                return Err(format!("client {name:?}: {} is there twice", entry.credential));
            }
        }
        if !names.insert(name.clone()) {
            return Err(format!("client {name:?} is there twice"));
        }
        all.extend(listed);
    }
    Ok(all)
}

fn listed(entry: ClientEntry) -> Result<Vec<Listed>, String> {
    let name = entry.name.unwrap_or_default();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err("the name is empty or has control characters".to_owned());
    }
    let rights = rights(&entry.rights.unwrap_or_default())?;
    let binding = match entry.bindings.as_slice() {
        [] => None,
        [(name, whose)] => Some(Binding::of(name, whose)?),
        several => return Err(format!("it is bound to one thing, not to {}", several.len())),
    };
    if let Some(binding) = &binding
        && let Some(right) = rights.iter().find(|&&right| !binding.leaves(right))
    {
        return Err(format!("who is bound to {binding} cannot have the right {right}"));
    }
    let tenant_only = entry.tenant.map(tenancy::bound).transpose()?;
    if tenant_only.is_some() && rights.contains(&Right::Ops) {
        return Err("who is bound to a tenant cannot have the right ops".to_owned());
    }
    let client = Client {
        name: name.as_str().into(),
        rights: rights.into_iter().collect(),
        orders_per_s: entry.orders_per_s,
        requests_per_s: entry.requests_per_s,
        tenant_only,
        tenant: Tenant::default(),
        binding,
        unlisted: Arc::default(),
    };
    let mut credentials = Vec::new();
    for text in texts("key_sha256", entry.key_sha256)? {
        credentials.push(Credential::Key(sum("key_sha256", &text)?));
    }
    for text in texts("cert_sha256", entry.cert_sha256)? {
        credentials.push(Credential::Certificate(sum("cert_sha256", &text)?));
    }
    for text in texts("cert_san", entry.cert_san)? {
        credentials.push(Credential::Name(text));
    }
    if credentials.is_empty() {
        return Err("there is none of key_sha256, cert_sha256 and cert_san".to_owned());
    }
    Ok(credentials.into_iter().map(|credential| Listed { credential, client: client.clone() }).collect())
}

fn texts(field: &str, value: Option<Texts>) -> Result<Vec<String>, String> {
    let texts = match value {
        None => return Ok(Vec::new()),
        Some(Texts::One(text)) => vec![text],
        Some(Texts::Several(texts)) => texts,
    };
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return Err(format!("{field} must name one"));
    }
    Ok(texts)
}

fn sum(field: &str, text: &str) -> Result<[u8; 32], String> {
    sha256_from_hex(text).ok_or_else(|| format!("{field} must be 64 hexadecimal digits"))
}

fn rights(names: &[String]) -> Result<Vec<Right>, String> {
    let mut rights = Vec::new();
    for name in names {
        rights.extend(Right::named(name).ok_or_else(|| format!("there is no right {name:?}: {}", Right::known()))?);
    }
    if rights.is_empty() { Err(format!("rights must name one: {}", Right::known())) } else { Ok(rights) }
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
        let other = SUM.to_uppercase().replace('9', "8");
        let text = format!(
            "[[client]]\nname='shop'\nkey_sha256='{SUM}'\nrights=['write']\norders_per_s=500\n\
             [[client]]\nname='desk'\nkey_sha256=['{other}', '{}']\nrights=['orders:read', 'ops']\n",
            other.replace('8', "7")
        );
        let listed = parse(&text).expect("the file is good");
        let has = |at: usize| Right::ALL.map(|right| listed[at].client.rights.has(right));
        assert!(matches!(listed[0].credential, Credential::Key([0x9f, 0x86, ..])));
        assert_eq!((has(0), has(1)), ([true, true, false, false], [false, false, true, true]));
        assert_eq!(listed[0].client.orders_per_s, NonZeroU32::new(500));
        assert!(listed.len() == 3 && listed[1..].iter().all(|key| key.client.name.as_str() == "desk"));
        let text = format!(
            "[[client]]\nname='shop'\ncert_sha256='{SUM}'\ncert_san=['spiffe://x/shop', 'shop.x']\nrights=['read']\n"
        );
        let listed = parse(&text).expect("keys are not needed").into_iter().map(|entry| entry.credential);
        let names = ["spiffe://x/shop", "shop.x"].map(|name| Credential::Name(name.to_owned()));
        assert_eq!(listed.skip(1).collect::<Vec<_>>(), names);
        assert!(parse("").expect("nobody may come in").is_empty());
    }

    #[test]
    fn a_client_may_be_bound() {
        let client = |field: &str| {
            let text = format!("[[client]]\nname='a'\nkey_sha256='{SUM}'\nrights=['read']\n{field}");
            parse(&text).expect("the file is good").remove(0).client
        };
        let bound = |field: &str| client(field).binding;
        assert_eq!(bound(""), None);
        assert_eq!(bound("customer='C1'"), Binding::of("customer", "C1").ok());
        assert_eq!(bound("seller='S7'"), Binding::of("seller", "S7").ok());
        let both = client("tenant='T1'\ncustomer='C1'");
        assert_eq!((both.tenant_only, both.binding), (Tenant::named("T1").ok(), Binding::of("customer", "C1").ok()));
    }

    #[test]
    fn every_fault_is_one_line_that_says_where() {
        let good = format!("[[client]]\nname='a'\nkey_sha256='{SUM}'\nrights=['read']\n");
        let known = "there are orders:write, events:write, orders:read, ops, write, read";
        for (text, expected) in [
            (good.replace("9f86", "xx86"), "client \"a\": key_sha256 must be 64 hexadecimal digits".to_owned()),
            (good.replace("9f86", ""), "client \"a\": key_sha256 must be 64 hexadecimal digits".to_owned()),
            (good.replace(&format!("'{SUM}'"), "7"), "line 3: expected a text, or a list of texts".to_owned()),
            (good.replace(&format!("'{SUM}'"), "[]"), "client \"a\": key_sha256 must name one".to_owned()),
            (good.replace("key_sha256", "cert_sha256").replace("9f86", ""), "cert_sha256 must be 64 hex".to_owned()),
            (good.replace("key_sha256", "cert_san").replace(SUM, ""), "cert_san must name one".to_owned()),
            (good.replace("key_sha256", "#"), "client \"a\": there is none of key_sha256, cert_sha256".to_owned()),
            (good.replace("['read']", "[]"), format!("client \"a\": rights must name one: {known}")),
            (good.replace("'a'", "''"), "client \"\": the name is empty or has control characters".to_owned()),
            (good.replace("'read'", "'admin'"), format!("client \"a\": there is no right \"admin\": {known}")),
            (good.clone() + "limit=1", "line 5: invalid type: integer `1`, expected a string".to_owned()),
            (good.clone() + "seller=''", "client \"a\": seller must not be empty".to_owned()),
            (good.clone() + "seller='S'\ncustomer='C'", "client \"a\": it is bound to one thing, not to 2".to_owned()),
            (
                good.replace("'read'", "'ops'") + "customer='C'",
                "client \"a\": who is bound to a customer cannot have the right ops".to_owned(),
            ),
            (
                good.replace("'read'", "'write'") + "seller='S'",
                "client \"a\": who is bound to a key of the view seller cannot have the right orders:write".to_owned(),
            ),
            (good.clone() + "tenant=''", "client \"a\": tenant must not be empty".to_owned()),
            (
                good.replace("'read'", "'read', 'ops'") + "tenant='T1'",
                "client \"a\": who is bound to a tenant cannot have the right ops".to_owned(),
            ),
            (good.replace("name='a'\n", ""), "a client has no name".to_owned()),
            (good.clone() + "orders_per_s=0", "line 5: invalid value: integer `0`, expected a nonzero u32".to_owned()),
            (good.clone() + &good.replace("9f86", "8f86"), "client \"a\" is there twice".to_owned()),
            (good.clone() + &good.replace("'a'", "'b'"), "client \"b\": a key is there twice".to_owned()),
            ("client = [".to_owned(), "line 1: ".to_owned()),
        ] {
            let fault = parse(&text).expect_err(&expected);
            assert!(fault.contains(&expected) && !fault.contains('\n'), "{fault:?} is not {expected:?}");
        }
    }
}
