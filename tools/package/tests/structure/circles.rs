//! That modules which lie side by side need one another in one direction only, at every level of every crate: so each can be read after those that
//! it needs. What a crate's sources name by `crate::`, `super::` and `self::` is followed through the `use`s of the module that it leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::sources::{Module, crates, files_below, joined, text, tokens_of, without_tests};

/// The sources of one crate, tests left out.
#[derive(Default)]
struct Sources {
    modules: BTreeSet<Module>,
    /// Which module names which path, from the root of the crate.
    named: Vec<(Module, Module)>,
    /// What each module takes over under a name of its own.
    taken_over: BTreeMap<Module, Module>,
}

impl Sources {
    fn of(src: &Path) -> Self {
        let mut sources = Self::default();
        let (mut files, mut of_tests) = (Vec::new(), BTreeSet::new());
        for file in files_below(src) {
            let mut at: Module =
                file.strip_prefix(src).expect("it is below").with_extension("").iter().map(text).collect();
            if at.first().is_some_and(|first| first == "bin") || (at == ["main"] && src.join("lib.rs").exists()) {
                continue;
            }
            if at.last().is_some_and(|last| last == "mod") || at == ["lib"] || at == ["main"] {
                at.pop();
            }
            let tokens =
                without_tests(&tokens_of(&fs::read_to_string(&file).expect("it is readable")), &at, &mut of_tests);
            files.push((at, tokens));
        }
        files.retain(|(at, _)| !of_tests.iter().any(|test| at.starts_with(test)));
        sources.modules = files.iter().map(|(at, _)| at.clone()).collect();
        for (at, tokens) in &files {
            sources.read(at, tokens);
        }
        sources
    }

    fn read(&mut self, at: &Module, tokens: &[String]) {
        let (mut depth, mut inline): (usize, Vec<usize>) = (0, Vec::new());
        for (i, token) in tokens.iter().enumerate() {
            let before = |n: usize| i.checked_sub(n).map_or("", |at| tokens[at].as_str());
            match token.as_str() {
                "{" => {
                    depth += 1;
                    if before(2) == "mod" {
                        inline.push(depth);
                    }
                }
                "}" => {
                    inline.retain(|each| *each != depth);
                    depth = depth.saturating_sub(1);
                }
                "use" => {
                    let mut all = Vec::new();
                    tree(&tokens[i + 1..], &Vec::new(), &mut all);
                    for (path, name) in all {
                        let Some(path) = self.absolute(at, inline.len(), &path) else { continue };
                        if inline.is_empty() {
                            self.taken_over.insert(joined(at, &name), path.clone());
                        }
                        self.named.push((at.clone(), path));
                    }
                }
                "crate" | "super" | "self" if before(1) != "::" => {
                    let mut all = Vec::new();
                    tree(&tokens[i..], &Vec::new(), &mut all);
                    let paths = all.iter().filter_map(|(path, _)| self.absolute(at, inline.len(), path));
                    let paths: Vec<_> = paths.map(|path| (at.clone(), path)).collect();
                    self.named.extend(paths);
                }
                _ => {}
            }
        }
    }

    /// `path`, as it stands in `at` within `inline` modules of the same file; none if it is of another crate.
    fn absolute(&self, at: &Module, inline: usize, path: &[String]) -> Option<Module> {
        let ups = path.iter().take_while(|each| *each == "super").count();
        let rest = |from: &[String], n: usize| Some([from, &path[n..]].concat());
        match path.first()?.as_str() {
            "crate" => rest(&[], 1),
            "self" => rest(at, 1),
            "super" => rest(&at[..at.len().saturating_sub(ups.saturating_sub(inline))], ups),
            child if self.modules.contains(&joined(at, child)) => rest(at, 0),
            _ => None,
        }
    }

    /// The module that has what `path` names.
    fn home(&self, path: &Module) -> Module {
        let mut path = path.clone();
        for _ in 0..9 {
            let known = (0..=path.len()).rev().find(|n| self.modules.contains(&path[..*n])).unwrap_or(0);
            match path.get(known).and_then(|name| self.taken_over.get(&joined(&path[..known], name))) {
                Some(other) if *other != path => path = [&other[..], &path[known + 1..]].concat(),
                _ => return path[..known].to_vec(),
            }
        }
        path
    }

    /// Each circle as `room: module, module`, and what makes it.
    fn circles(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut needs: BTreeMap<Module, BTreeMap<&String, BTreeMap<String, BTreeSet<String>>>> = BTreeMap::new();
        for (at, path) in &self.named {
            let home = self.home(path);
            let same = at.iter().zip(&home).take_while(|(a, b)| a == b).count();
            if let (Some(from), Some(to)) = (at.get(same), home.get(same)) {
                let why = format!("{} needs {}", at.join("/"), path.join("::"));
                needs
                    .entry(at[..same].to_vec())
                    .or_default()
                    .entry(from)
                    .or_default()
                    .entry(to.clone())
                    .or_default()
                    .insert(why);
            }
        }
        let mut circles = BTreeMap::<String, BTreeSet<String>>::new();
        for (room, needs) in &needs {
            let mut reached = BTreeMap::<&String, BTreeSet<&String>>::new();
            for from in needs.keys() {
                let (mut ahead, mut seen) = (vec![*from], BTreeSet::new());
                while let Some(next) = ahead.pop() {
                    ahead.extend(needs.get(next).into_iter().flat_map(BTreeMap::keys).filter(|to| seen.insert(*to)));
                }
                reached.insert(from, seen);
            }
            let mutual =
                |a: &String, b: &String| reached[a].contains(b) && reached.get(b).is_some_and(|of| of.contains(a));
            for (from, to, why) in needs.iter().flat_map(|(from, to)| to.iter().map(move |(to, why)| (*from, to, why)))
            {
                if mutual(from, to) {
                    let members: Vec<_> =
                        needs.keys().filter(|each| mutual(from, each)).map(|each| each.as_str()).collect();
                    circles
                        .entry(format!("{}: {}", room.join("/"), members.join(", ")))
                        .or_default()
                        .extend(why.iter().cloned());
                }
            }
        }
        circles
    }
}

/// The paths of a tree of `use`, each with the name that it gives.
fn tree(tokens: &[String], before: &Module, all: &mut Vec<(Module, String)>) -> usize {
    let (mut path, mut i) = (before.clone(), 0);
    while let Some(token) = tokens.get(i) {
        match token.as_str() {
            "{" => {
                i += 1;
                while tokens.get(i).is_some_and(|token| token != "}") {
                    i += tree(&tokens[i..], &path, all).max(1);
                    i += usize::from(tokens.get(i).is_some_and(|token| token == ","));
                }
                return i + 1;
            }
            "self" if !path.is_empty() => {}
            name => path.push(name.to_owned()),
        }
        i += 1;
        if tokens.get(i).is_none_or(|token| token != "::") {
            break;
        }
        i += 1;
    }
    let renamed = tokens.get(i).is_some_and(|token| token == "as");
    let name = if renamed { tokens[i + 1].clone() } else { path.last().cloned().unwrap_or_default() };
    all.push((path, name));
    if renamed { i + 2 } else { i }
}

#[test]
fn modules_side_by_side_do_not_need_one_another() {
    let mut found = Vec::new();
    for (name, folder) in crates() {
        for (circle, why) in Sources::of(&folder.join("src")).circles() {
            found.push(format!("{name}/src/{circle}"));
            found.extend(why.iter().map(|why| format!("  {why}")));
        }
    }
    assert!(found.is_empty(), "these modules need one another in a circle:\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_named_wherever_it_stands() {
    let src = Path::new(env!("CARGO_TARGET_TMPDIR")).join("circles");
    fs::create_dir_all(src.join("room")).expect("there is room");
    for (file, text) in [
        ("lib.rs", "mod a; mod b; mod c; mod room; #[cfg(test)] mod checks; pub use room::x::Thing;"),
        ("a.rs", "use crate::Thing; // and crate::c::C"),
        ("b.rs", "fn f() { super::a::g(\"crate::c::C\") } #[cfg(test)] mod tests { use crate::{c::C, room}; }"),
        ("c.rs", "use crate::{a, b::B as Other, room::*};"),
        ("checks.rs", "use crate::{a, c::C};"),
        ("room/mod.rs", "mod x; mod y; pub(crate) use y::Y;"),
        ("room/x.rs", "use super::Y; use crate::b::{self, B};"),
        ("room/y.rs", "mod inner { use super::super::x::Thing; }"),
    ] {
        fs::write(src.join(file), text).expect("there is room");
    }
    let circles: Vec<_> = Sources::of(&src).circles().into_keys().collect();
    assert_eq!(circles, [": a, b, room", "room: x, y"]);
}
