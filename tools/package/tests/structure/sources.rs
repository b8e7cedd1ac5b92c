//! The crates of the workspace and their sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) type Module = Vec<String>;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every folder of a crate, by its name.
pub(crate) fn crates() -> BTreeMap<String, PathBuf> {
    let root = root();
    let rooms = ["crates", "tools"].iter().flat_map(|room| fs::read_dir(root.join(room)).expect("it is readable"));
    let rooms = rooms.map(|entry| entry.expect("it is readable").path());
    let folders = rooms.chain(["ingest", "writer", "query"].iter().map(|name| root.join(name)));
    folders.map(|folder| (folder.file_name().map(text).unwrap_or_default(), folder)).collect()
}

/// Words, `::`, single signs, and what stands in quotes behind one quote; comments and characters are left out.
pub(crate) fn tokens_of(source: &str) -> Vec<String> {
    let (chars, mut tokens, mut i) = (source.chars().collect::<Vec<_>>(), Vec::new(), 0);
    let find = |from: usize, end: &str| {
        let end: Vec<_> = end.chars().collect();
        (from..chars.len()).find(|at| chars[*at..].starts_with(&end)).map_or(chars.len(), |at| at + end.len())
    };
    let quoted = |from: usize, to: usize| format!("\"{}", chars[from..to].iter().collect::<String>());
    while i < chars.len() {
        let rest = &chars[i..];
        i = match rest {
            ['/', '/', ..] => find(i, "\n"),
            ['/', '*', ..] => find(i, "*/"),
            ['r', '"' | '#', ..] if rest.iter().skip(1).find(|each| **each != '#') == Some(&'"') => {
                let hashes = rest.iter().skip(1).take_while(|each| **each == '#').count();
                let end = find(i + hashes + 2, &format!("\"{}", "#".repeat(hashes)));
                tokens.push(quoted(i + hashes + 2, end - hashes - 1));
                end
            }
            ['"', ..] => {
                let mut end = i + 1;
                while chars.get(end).is_some_and(|each| *each != '"') {
                    end += if chars[end] == '\\' { 2 } else { 1 };
                }
                tokens.push(quoted(i + 1, end));
                end + 1
            }
            ['\'', '\\', ..] => find(i + 3, "'"),
            ['\'', _, '\'', ..] => i + 3,
            [first, ..] if first.is_alphanumeric() || *first == '_' => {
                let word: String = rest.iter().take_while(|each| each.is_alphanumeric() || **each == '_').collect();
                let end = i + word.chars().count();
                tokens.push(word);
                end
            }
            [':', ':', ..] => {
                tokens.push("::".to_owned());
                i + 2
            }
            [first, ..] => {
                tokens.extend((!first.is_whitespace()).then(|| first.to_string()));
                i + 1
            }
            [] => i,
        }
    }
    tokens
}

/// `tokens` without what stands under `#[cfg(test)]`; modules of files of their own go to `of_tests`.
pub(crate) fn without_tests(tokens: &[String], at: &Module, of_tests: &mut BTreeSet<Module>) -> Vec<String> {
    let (mut kept, mut i) = (Vec::new(), 0);
    while i < tokens.len() {
        if !tokens[i..].iter().map(String::as_str).take(7).eq(["#", "[", "cfg", "(", "test", ")", "]"]) {
            kept.push(tokens[i].clone());
            i += 1;
            continue;
        }
        i += 7;
        if let [word, name, end, ..] = &tokens[i..]
            && (word == "mod" && end == ";")
        {
            of_tests.insert(joined(at, name));
        }
        let mut depth = 0_usize;
        while let Some(token) = tokens.get(i) {
            i += 1;
            match token.as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && (token == ";" || token == "}") {
                break;
            }
        }
    }
    kept
}

pub(crate) fn joined(at: &[String], name: &str) -> Module {
    [at, &[name.to_owned()]].concat()
}

pub(crate) fn text(part: &std::ffi::OsStr) -> String {
    part.to_string_lossy().into_owned()
}

pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("it is readable").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let sources = files.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    sources.chain(folders.iter().flat_map(|each| files_below(each))).collect()
}
