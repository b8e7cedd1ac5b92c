//! What is to be done where a table is to be read, and no map says how.

use std::path::{Path, PathBuf};

use forebay_client::RecordKind;

use super::input::Input;
use crate::map::Map;

/// The next command, as the end of a sentence; empty where nothing is known that helps.
pub(super) fn next_step(input: &Input, kind: RecordKind) -> String {
    let Some(path) = input.path() else { return String::new() };
    match (map_beside(path), kind) {
        (Some(map), _) => format!(": the same command with --map {} reads it by the map beside it", quoted(&map)),
        (None, RecordKind::Orders) => format!(": `forebay map suggest {} --write` makes one", quoted(path)),
        (None, RecordKind::Events) => String::new(),
    }
}

/// A map that is called as the file is, or as a suggestion for it.
fn map_beside(path: &Path) -> Option<PathBuf> {
    let is_compressed =
        path.extension().is_some_and(|end| ["gz", "zst", "zstd", "zip"].iter().any(|known| end == *known));
    let plain = if is_compressed { path.with_extension("") } else { path.to_owned() };
    let names =
        [path.with_added_extension("map.toml"), path.with_added_extension("toml"), plain.with_extension("toml")];
    names.into_iter().find(|name| name.is_file() && Map::load(name).is_ok())
}

/// As a shell reads it as one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "-_./+,:@%".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_beside_the_file_is_named_and_else_one_is_made() {
        const MAP: &str = "order_id = \"a\"\ncustomer_id = \"b\"\ntimestamp = \"c\"\nitem = { sku = \"d\", quantity = \"e\", price = \"f\" }\n";
        let dir = tempfile::tempdir().unwrap();
        let step = |name: &str, kind| {
            let said = next_step(&Input::new(&dir.path().join(name)), kind);
            said.replace(&format!("{}/", dir.path().display()), "")
        };
        let orders = |name: &str| step(name, RecordKind::Orders);
        assert_eq!(orders("o.csv"), ": `forebay map suggest o.csv --write` makes one");
        // The directory stands within the quotes.
        let quoted = step("it's.csv", RecordKind::Orders);
        assert_eq!(quoted, r": `forebay map suggest 'it'\''s.csv' --write` makes one");
        assert_eq!(step("o.csv", RecordKind::Events), "");
        std::fs::write(dir.path().join("o.toml"), "[package]\n").unwrap();
        assert!(orders("o.csv").contains("suggest"), "what is no map is not taken for one");
        for (file, map) in
            [("o.csv", "o.toml"), ("p.csv.gz", "p.toml"), ("q.csv", "q.csv.map.toml"), ("r.csv", "r.csv.toml")]
        {
            std::fs::write(dir.path().join(map), MAP).unwrap();
            assert_eq!(orders(file), format!(": the same command with --map {map} reads it by the map beside it"));
        }
    }
}
