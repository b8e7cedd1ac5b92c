//! That every statement on the lanes' tables stands in `crates/shard`: nothing else of the product speaks SQL, but for what `replay` reads of
//! databases that are not ours.

use std::collections::BTreeSet;
use std::fs;

use super::metadata::dependencies;
use super::sources::{crates, files_below, root, tokens_of, without_tests};

/// Where a client of Postgres may be: the shards, orders in a database of somebody else's, and what measures the limit that we are held against.
const SPEAKERS: [&str; 3] = ["forebay-bench", "forebay-replay", "forebay-shard"];

/// Whether a text is a statement: it begins as one does.
fn is_statement(text: &str) -> bool {
    let words: Vec<_> = text.split_whitespace().take(3).collect();
    match words.as_slice() {
        ["copy", what, then @ ..] => what.starts_with('(') || matches!(then, ["from" | "to"]),
        words => matches!(
            words,
            ["select" | "declare" | "truncate" | "fetch", _, ..]
                | ["insert", "into", ..]
                | ["delete", "from", ..]
                | ["with", _, "as"]
                | ["update", _, "set"]
                | ["alter" | "create" | "drop" | "lock", "table", ..]
        ),
    }
}

/// The statements that stand in a source, tests left out.
fn statements(source: &str) -> Vec<String> {
    let tokens = without_tests(&tokens_of(source), &Vec::new(), &mut BTreeSet::new());
    tokens
        .iter()
        .filter_map(|token| token.strip_prefix('"'))
        .filter(|text| is_statement(text))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_statement_stands_in_no_other_crate_than_shard() {
    let mut found = Vec::new();
    let product = crates().into_iter().filter(|(name, folder)| {
        !SPEAKERS.contains(&format!("forebay-{name}").as_str()) && !folder.starts_with(root().join("tools"))
    });
    for file in product.flat_map(|(_, folder)| files_below(&folder.join("src"))) {
        let source = fs::read_to_string(&file).expect("it is readable");
        found.extend(statements(&source).into_iter().map(|text| format!("{}: {text}", file.display())));
    }
    assert!(found.is_empty(), "these statements belong into crates/shard:\n{}", found.join("\n"));
}

#[test]
fn no_other_crate_than_shard_has_a_client_of_postgres() {
    let with_client = dependencies().into_iter().filter(|(_, needs)| needs.contains("sqlx")).map(|(name, _)| name);
    assert_eq!(with_client.collect::<Vec<_>>(), SPEAKERS);
}

#[test]
fn a_statement_is_known_from_a_sentence_and_those_of_tests_do_not_count() {
    let source = r#"
        const A: &str = "select bucket from orders"; // "select 1"
        fn f() { g(r"delete from orders", "copy (select 1) to stdout", "select", "delete what is old", "set fsync to on") }
        #[cfg(test)]
        mod tests { const B: &str = "select 1"; }
    "#;
    assert_eq!(statements(source), ["select bucket from orders", "delete from orders", "copy (select 1) to stdout"]);
    assert!(is_statement("copy orders from stdin") && is_statement("with a as (select 1) select 2"));
    assert!(!is_statement("update the settings") && !is_statement("create a database") && !is_statement("with N rows"));
}
