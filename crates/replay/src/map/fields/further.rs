//! Further fields of an order, an item or an event: what the map names, and what an object has.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::text::Text;

/// What stands in a map for the names of all fields that an object has.
pub(in crate::map) const ALL: &str = "*";

/// Fields that are taken as they are.
#[derive(Clone, Debug, Default)]
pub(in crate::map) struct Further {
    /// Each with its name.
    pub(in crate::map) named: Vec<(String, Text)>,
    /// An object whose members are fields by their own names, but for those that the map names.
    pub(in crate::map) all_of: Option<Text>,
}

/// The members of an object, in their order.
pub(in crate::map) struct Members<'j>(pub(in crate::map) Vec<(Cow<'j, str>, &'j RawValue)>);

/// The name of a member, which is borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Name<'j>(#[serde(borrow)] Cow<'j, str>);

impl Further {
    /// Whether the map names such a field.
    pub(in crate::map) fn names(&self, name: &str) -> bool {
        self.named.iter().any(|(named, _)| named == name)
    }
}

impl<'j> Deserialize<'j> for Members<'j> {
    fn deserialize<D: Deserializer<'j>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'j> Visitor<'j> for Object {
            type Value = Members<'j>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> Result<Members<'j>, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
