//! Files by name, by pattern, or as what stands in a directory.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use forebay_service::BadSetting;

/// What runs leave beside files, and what nobody means when they name a directory.
const NOT_MEANT: [&str; 3] = [".rejects.ndjson", ".map.toml", ".toml"];

/// The files that are meant, each once, those of a directory or a pattern in the order of their names.
///
/// # Errors
/// [`BadSetting`] where a pattern is not valid or, unless they may still come, there is no file.
pub(crate) fn files(named: &[PathBuf], may_come: bool) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for name in named {
        let found = if name.is_dir() {
            Some((of_directory(name)?, "there is no file in"))
        } else if !name.exists() && is_pattern(name) {
            Some((of_pattern(name)?, "no file fits"))
        } else {
            None
        };
        match found {
            Some((found, what)) if found.is_empty() && !may_come => {
                return Err(BadSetting::new(format!("{what} {}", name.display())).into());
            }
            Some((found, _)) => files.extend(found.into_iter().filter(|file| !named.contains(file))),
            None if !name.exists() && may_come && name != Path::new("-") => {}
            None => files.push(name.clone()),
        }
    }
    Ok(files)
}

fn of_directory(directory: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read {}", directory.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if path.is_file() && is_meant(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn of_pattern(pattern: &Path) -> Result<Vec<PathBuf>> {
    let wrong = |error: glob::PatternError| BadSetting::new(format!("the pattern {}: {error}", pattern.display()));
    let found = glob::glob(&pattern.to_string_lossy()).map_err(wrong)?;
    Ok(found.filter_map(Result::ok).filter(|path| path.is_file() && is_meant(path)).collect())
}

fn is_pattern(name: &Path) -> bool {
    name.to_string_lossy().contains(['*', '?', '['])
}

/// Whether a file is meant where all of a directory is.
pub(super) fn is_meant(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !name.starts_with('.') && !NOT_MEANT.iter().any(|end| name.ends_with(end) || name.contains(".rejects.ndjson."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_and_a_pattern_are_their_files_and_none_is_meant_twice() {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["b.csv", "a.csv", "c.ndjson", ".hidden", "a.csv.rejects.ndjson", "a.csv.rejects.ndjson.1", "x.map.toml"]
        {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        let names = |named: &[&str]| {
            let named: Vec<PathBuf> = named.iter().map(|name| dir.path().join(name)).collect();
            let found = files(&named, false).map_err(|error| error.to_string())?;
            let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
            Ok::<Vec<String>, String>(found.iter().map(name).collect())
        };
        assert_eq!(names(&[""]), Ok(["a.csv", "b.csv", "c.ndjson"].map(str::to_owned).to_vec()));
        assert_eq!(names(&["*.csv", "b.csv"]), Ok(["a.csv", "b.csv"].map(str::to_owned).to_vec()));
        let said = |name: &str| names(&[name]).unwrap_err();
        assert!(said("*.json").starts_with("no file fits") && said("empty").starts_with("there is no file in"));
        assert!(files(&[dir.path().join("*.json"), dir.path().join("later.csv")], true).unwrap().is_empty());
    }
}
