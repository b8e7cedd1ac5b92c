//! Facts by column, as Postgres writes them as JSON, compared column by column.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

/// A fact by column, each value as its JSON text. Numbers stay as they are written.
pub(crate) type Columns = BTreeMap<String, Box<RawValue>>;

/// The columns of a JSON object; none of a text that is not one.
pub(crate) fn columns(object: &str) -> Columns {
    serde_json::from_str(object).unwrap_or_default()
}

/// The columns in which two facts differ. Both are written by Postgres, so equal values are equal texts, but for numbers with
/// other zeros at their end.
pub(crate) fn differing(one: &Columns, other: &Columns) -> BTreeSet<String> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let text = |columns: &Columns, name: &str| columns.get(name).map(|value| value.get().to_owned());
    names.into_iter().filter(|name| text(one, name) != text(other, name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_and_numbers_are_not_rounded() {
        let one = columns(r#"{"a": 1, "b": 10000000000000000000000001, "c": [1]}"#);
        let other = columns(r#"{"a": 1, "b": 10000000000000000000000002, "d": null}"#);
        assert_eq!(differing(&one, &other), ["b", "c", "d"].map(str::to_owned).into());
        assert!(columns("no JSON").is_empty());
    }
}
