//! The licences of everything in the program, with the texts that they want to be handed on: one text once, however many
//! crates have it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::dependencies::Dependency;

/// The whole file.
pub(crate) fn text(all: &[Dependency]) -> Result<String> {
    let mut file = String::from("Forebay is under the Apache License 2.0 (/usr/share/common-licenses/Apache-2.0).\n");
    file +=
        "The program is built from these crates, under the licences that stand beside them; their texts follow.\n\n";
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for each in all.iter().filter(|each| !each.own) {
        ensure!(!each.licence.is_empty(), "{} {} does not say its licence", each.name, each.version);
        file.extend([&each.name, " ", &each.version, ": ", &each.licence, "\n"]);
        for text in texts_in(&each.folder)? {
            texts.entry(text).or_default().push(format!("{} {}", each.name, each.version));
        }
    }
    for (text, of) in texts {
        file.extend(["\n\n==== ", &of.join(", "), "\n\n", text.trim_end(), "\n"]);
    }
    Ok(file)
}

/// The files of a crate whose names say that they are about its licence.
fn texts_in(folder: &Path) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for file in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        if path.is_file() && ["LICENSE", "LICENCE", "COPYING", "NOTICE"].iter().any(|begin| name.starts_with(begin)) {
            texts.push(String::from_utf8_lossy(&fs::read(&path)?).replace('\r', ""));
        }
    }
    texts.sort();
    Ok(texts)
}
