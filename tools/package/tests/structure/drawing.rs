//! That the drawing of the crates in docs/ARCHITECTURE.md is what Cargo says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::metadata::dependencies;
use super::sources::root;

type Needs = BTreeMap<String, BTreeSet<String>>;

/// Everything that a crate leads to.
fn reached(needs: &Needs, from: &str) -> BTreeSet<String> {
    let (mut reached, mut ahead) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(next) = ahead.pop() {
        for to in needs.get(&next).into_iter().flatten() {
            if reached.insert(to.clone()) {
                ahead.push(to.clone());
            }
        }
    }
    reached
}

/// `needs` without what is needed by way of another crate as well.
fn reduced(needs: &Needs) -> Needs {
    let direct = |of: &BTreeSet<String>| {
        let is_direct = |to: &&String| !of.iter().any(|other| reached(needs, other).contains(*to));
        of.iter().filter(is_direct).cloned().collect::<BTreeSet<_>>()
    };
    needs.iter().map(|(from, of)| (from.clone(), direct(of))).collect()
}

/// What a drawing says: lines such as `a --> b & c`.
fn drawn(page: &str) -> Needs {
    let block =
        page.split_once("```mermaid\n").and_then(|(_, rest)| rest.split_once("```")).map_or("", |(block, _)| block);
    let arrow = |line: &str| {
        let (from, to) = line.trim().split_once(" --> ")?;
        Some((from.to_owned(), to.split(" & ").map(str::to_owned).collect()))
    };
    block.lines().filter_map(arrow).collect()
}

/// Those that need any, as a drawing has them.
fn drawing(needs: &Needs) -> String {
    let line = |(from, of): (&String, &BTreeSet<String>)| {
        let of: Vec<_> = of.iter().map(String::as_str).collect();
        (!of.is_empty()).then(|| format!("    {from} --> {}\n", of.join(" & ")))
    };
    needs.iter().filter_map(line).collect()
}

#[test]
fn the_crates_are_drawn_as_they_depend_on_one_another() {
    // Not those of others, some of which are called as ours are in short.
    let short = |name: &String| name.strip_prefix("forebay-").map(str::to_owned);
    let ours = |(name, of): (&String, &BTreeSet<String>)| Some((short(name)?, of.iter().filter_map(short).collect()));
    let needs: Needs = dependencies().iter().filter_map(ours).collect();
    let page = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("it is readable");
    let (there, expected) = (drawing(&drawn(&page)), drawing(&reduced(&needs)));
    assert!(
        there == expected,
        "docs/ARCHITECTURE.md draws\n{there}\nand the crates depend on one another so:\n{expected}"
    );
}

#[test]
fn what_is_needed_by_way_of_another_crate_is_left_out() {
    let needs = drawn("```mermaid\ngraph TD\n    a --> b & c & d\n    b --> c\n    c --> d\n```\n    d --> a");
    assert_eq!(drawing(&reduced(&needs)), "    a --> b\n    b --> c\n    c --> d\n");
}
