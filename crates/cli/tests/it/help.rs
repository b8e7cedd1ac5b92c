//! What the program says when it is asked for help: a setting that is renamed, or gets another default, shows here.

use std::path::Path;
use std::process::Command;

/// The help of a program and, one below the other, of each of its subcommands.
fn help(program: &Path) -> String {
    let mut pages = String::new();
    let mut ahead = vec![Vec::new()];
    while let Some(words) = ahead.pop() {
        let page = page(program, &words);
        let commands = page.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        // A line that goes on with the text of the one before is indented further.
        let names = commands.filter_map(|line| line.strip_prefix("  ")?.split_once(' ')).map(|(name, _)| name);
        let names: Vec<&str> = names.filter(|name| !name.is_empty() && *name != "help").collect();
        ahead.extend(names.into_iter().rev().map(|name| words.iter().cloned().chain([name.to_owned()]).collect()));
        pages.extend(["==== ", &words.join(" "), " --help\n", &page, "\n"]);
    }
    pages
}

/// With a fixed width, and without any variable of this process: their values would stand there.
fn page(program: &Path, words: &[String]) -> String {
    let output = Command::new(program).args(words).arg("--help").env_clear().env("COLUMNS", "100").output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn snapshots_of_help() {
    insta::assert_snapshot!("forebay", help(Path::new(env!("CARGO_BIN_EXE_forebay"))));
}
