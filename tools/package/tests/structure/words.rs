//! That sources and pages are written in plain words: what a glossary has no place for, and a reader has to guess, is said otherwise.

use std::fs;
use std::path::{Path, PathBuf};

use super::sources::root;

/// In two pieces each, so that they do not stand here.
const UNCLEAR: [(&str, &str, &str); 3] = [
    ("who", "ever", "who it is: a client, a writer, the caller"),
    ("so ", "many", "how many, N, or the name of the parameter"),
    ("so ", "much", "how much, N, or the name of the parameter"),
];

/// Where nothing is written any more: migrations are hashed, the change log tells what was.
const LEFT_OUT: [&str; 4] = [".git", "target", "migrations", "CHANGELOG.md"];

fn texts(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("it is readable").path());
    let is_kept = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !LEFT_OUT.contains(&&*name) && !path.is_symlink() && (!name.starts_with('.') || name == ".config")
    };
    let (folders, files): (Vec<_>, Vec<_>) = entries.filter(is_kept).partition(|path| path.is_dir());
    let is_text = |path: &PathBuf| {
        path.extension().is_some_and(|ending| ["rs", "md", "toml", "py"].iter().any(|of| ending == *of))
    };
    files.into_iter().filter(is_text).chain(folders.iter().flat_map(|each| texts(each))).collect()
}

/// The lines of a text with a word that is not clear, numbered from 1, with what is to be said instead.
fn unclear(text: &str) -> Vec<(usize, &'static str)> {
    let of_line = |(number, line): (usize, &str)| {
        let line = format!(" {} ", line.to_lowercase().replace('_', " "));
        let begins = |at: usize| !line[..at].ends_with(char::is_alphabetic);
        let has = |first: &str, rest: &str| line.match_indices(&format!("{first}{rest}")).any(|(at, _)| begins(at));
        UNCLEAR
            .iter()
            .filter(move |(first, rest, _)| has(first, rest))
            .map(move |(.., instead)| (number + 1, *instead))
            .collect::<Vec<_>>()
    };
    text.lines().enumerate().flat_map(of_line).collect()
}

#[test]
fn no_source_and_no_page_has_words_that_a_reader_has_to_guess() {
    let mut found = Vec::new();
    for file in texts(&root()) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let lines = unclear(&text).into_iter();
        found.extend(lines.map(|(line, instead)| format!("{}:{line}: say {instead}", file.display())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_unclear_word_is_found_in_sentences_and_in_names() {
    let said = |word: (&str, &str)| unclear(&format!("fine\nof {}{} it is", word.0, word.1));
    assert_eq!(said(("who", "ever")).len(), 1);
    assert_eq!(said(("So ", "many"))[0].0, 2);
    assert_eq!(said(("a_so_", "many")).len(), 1);
    assert_eq!(said(("also ", "many")).len(), 0);
    assert_eq!(said(("how ", "many")).len(), 0);
}
