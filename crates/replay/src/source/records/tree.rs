//! Finds what stands at several paths of a JSON value, in one pass over it.

use std::borrow::Cow;

use serde::Deserializer;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::map::Map;
use crate::map::path::{Root, Step};
use crate::map::value::NameNo;

/// Paths, joined where they begin alike.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    /// Whose paths end here.
    ends: Vec<NameNo>,
    keys: Vec<(String, Tree)>,
    elements: Vec<(usize, Tree)>,
}

/// What was found, for each name of a map.
pub(super) type Found<'j> = Vec<Option<&'j RawValue>>;

/// The paths of a map that begin there.
pub(super) fn of_map(map: &Map, root: Root) -> Tree {
    let mut tree = Tree::default();
    for (name, path) in map.paths().filter(|(_, path)| path.root == root) {
        tree.add(&path.steps, name);
    }
    tree
}

impl Tree {
    /// Adds a path.
    pub(super) fn add(&mut self, steps: &[Step], name: NameNo) {
        let next = match steps.first() {
            None | Some(Step::Each) => {
                self.ends.push(name);
                return;
            }
            Some(Step::Key(key)) => child(&mut self.keys, key),
            Some(Step::Index(index)) => child(&mut self.elements, index),
        };
        next.add(&steps[1..], name);
    }

    /// Looks for the paths in a value. What is not there stays as it was.
    ///
    /// # Errors
    /// When the value is not JSON.
    pub(super) fn find<'j>(&self, value: &'j RawValue, found: &mut Found<'j>) -> serde_json::Result<()> {
        for name in &self.ends {
            found[name.0] = Some(value);
        }
        let has_children = match value.get().as_bytes().first() {
            Some(b'{') => !self.keys.is_empty(),
            Some(b'[') => !self.elements.is_empty(),
            _ => false,
        };
        if !has_children {
            return Ok(());
        }
        serde_json::Deserializer::from_str(value.get()).deserialize_any(Finder { tree: self, found })
    }
}

fn child<'t, K: PartialEq + ToOwned<Owned = O> + ?Sized, O: PartialEq<K>>(
    children: &'t mut Vec<(O, Tree)>,
    key: &K,
) -> &'t mut Tree {
    let at = children.iter().position(|(other, _)| other == key).unwrap_or_else(|| {
        children.push((key.to_owned(), Tree::default()));
        children.len() - 1
    });
    &mut children[at].1
}

struct Finder<'t, 'f, 'j> {
    tree: &'t Tree,
    found: &'f mut Found<'j>,
}

impl<'j> Visitor<'j> for Finder<'_, '_, 'j> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'j>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key::<Cow<'j, str>>()? {
            match self.tree.keys.iter().find(|(other, _)| *other == key) {
                Some((_, tree)) => {
                    tree.find(members.next_value()?, self.found).map_err(A::Error::custom)?;
                }
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'j>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(value) = elements.next_element::<&'j RawValue>()? {
            if let Some((_, tree)) = self.tree.elements.iter().find(|(other, _)| *other == index) {
                tree.find(value, self.found).map_err(A::Error::custom)?;
            }
            index += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::path::Path;

    #[test]
    fn every_path_is_found_in_one_pass() {
        let paths = ["$.a", "$.b.c", "$.b.d[1]", "$.b['x.y']", "$.items[*]", "$.none.at.all", "$"];
        let mut tree = Tree::default();
        for (name, path) in paths.iter().enumerate() {
            tree.add(&Path::parse(path).unwrap().steps, NameNo(name));
        }
        let json = r#"{"b":{"d":[1,"two",{}],"c":1.50,"x.y":null,"e":[[]]},"z":{},"items":[1],"a":"\u0061","a":"b"}"#;
        let value: &RawValue = serde_json::from_str(json).unwrap();
        let mut found = vec![None; paths.len()];
        tree.find(value, &mut found).unwrap();
        let texts: Vec<_> = found.iter().map(|value| value.map(RawValue::get)).collect();
        let expected = [Some("\"b\""), Some("1.50"), Some("\"two\""), Some("null"), Some("[1]"), None, Some(json)];
        assert_eq!(texts, expected);
    }
}
