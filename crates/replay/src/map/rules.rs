//! The rules of a map: what is passed over, and what is a return.

use super::Name;
use super::condition::{Condition, RawCondition};
use super::fields::number::Separators;
use super::fields::{Names, RawField};
use super::path::Root;

/// The rules of a map.
pub(super) struct Rules {
    pub(super) skip_when: Vec<Condition>,
    pub(super) skips_headers: bool,
    pub(super) skips_write_offs: bool,
    pub(super) return_when: Vec<Condition>,
}

impl Rules {
    /// Reads them.
    ///
    /// # Errors
    /// One sentence.
    pub(super) fn new(
        skip_when: Vec<RawCondition>,
        return_when: Vec<RawCondition>,
        names: &mut Names,
        usual: Separators,
    ) -> Result<Self, String> {
        let mut rules =
            Self { skip_when: Vec::new(), skips_headers: false, skips_write_offs: false, return_when: Vec::new() };
        for raw in skip_when {
            match (raw.header, raw.write_off) {
                (None, None) => rules.skip_when.push(condition("skip_when", raw, names, usual)?),
                _ if raw.has_column_or_test() => {
                    return Err("skip_when: `header` and `write_off` stand alone".to_owned());
                }
                (header, write_off) => {
                    rules.skips_headers |= header.unwrap_or(false);
                    rules.skips_write_offs |= write_off.unwrap_or(false);
                }
            }
        }
        for raw in return_when {
            if raw.header.is_some() || raw.write_off.is_some() {
                return Err("return_when: `header` and `write_off` are for skip_when".to_owned());
            }
            rules.return_when.push(condition("return_when", raw, names, usual)?);
        }
        Ok(rules)
    }
}

fn condition(rule: &str, mut raw: RawCondition, names: &mut Names, usual: Separators) -> Result<Condition, String> {
    let column = raw.column.take().ok_or_else(|| format!("{rule}: expected `column`"))?;
    let subject = RawField::Name(column).into_text(names)?;
    let is_of_item =
        subject.names.iter().any(|name| matches!(&names.0[name.0], Name::Path(path) if path.root == Root::Item));
    raw.on(subject, usual, is_of_item).map_err(|what| format!("{rule}: {what}"))
}
