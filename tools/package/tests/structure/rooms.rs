//! A folder of sources is a room that can be looked over: a dozen files at most. What grows beyond that is several concepts, each with a
//! folder of its own.

use std::fs;
use std::path::Path;

use crate::sources;

const FILES_MAX: usize = 12;

/// Every folder below that has more sources than it may, with their number.
fn crowded(folder: &Path, found: &mut Vec<String>) {
    let entries = fs::read_dir(folder).expect("it is readable").map(|entry| entry.expect("it is readable").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let sources = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")).count();
    if sources > FILES_MAX {
        found.push(format!("{}: {sources} files", folder.display()));
    }
    for folder in &folders {
        crowded(folder, found);
    }
}

#[test]
fn no_folder_has_more_files_than_can_be_looked_over() {
    let mut found = Vec::new();
    let rooms = sources::crates().into_values().flat_map(|folder| ["src", "tests"].map(|room| folder.join(room)));
    for room in rooms.filter(|room| room.is_dir()) {
        crowded(&room, &mut found);
    }
    assert!(found.is_empty(), "more than {FILES_MAX}: {found:#?}");
}
