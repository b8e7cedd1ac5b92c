//! Exports of views: of each order they have what one key of the view sees, and are no orders.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// What each line of one has, in this order.
const MEMBERS: [&str; 7] = ["order_id", "customer_id", "timestamp", "kind", "currency", "items", "subtotal"];

/// What such a file is and what to do, behind its name.
pub(crate) const EXPORT_OF_VIEW: &str =
    "an export of a view, which has of each order only what one key of it sees: export the orders themselves";

/// Whether NDJSON that begins so is one: its first line has just its members. What somebody else calls a subtotal is a further field of an order.
pub(crate) fn is_export_of_view(head: &[u8]) -> bool {
    let first = head.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    first.is_some_and(|line| serde_json::from_slice::<Members>(line).is_ok_and(|members| members.0 == MEMBERS))
}

/// The names of an object's members as they stand there.
struct Members(Vec<String>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Members(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_with_a_subtotal_of_its_own_is_an_order() {
        let line = r#"{"order_id":"O1","customer_id":"C1","timestamp":"2025-06-30T12:30:00.000000Z","kind":"sale","currency":"EUR","items":[],"subtotal":7"#;
        assert!(is_export_of_view(format!("\n{line}}}\n{{}}").as_bytes()));
        assert!(!is_export_of_view(format!("{line},\"total\":7}}").as_bytes()));
        assert!(!is_export_of_view(br#"{"order_id":"O1","customer_id":"C1","subtotal":7,"items":[]}"#));
        assert!(!is_export_of_view(b"") && !is_export_of_view(b"[1]"));
    }
}
