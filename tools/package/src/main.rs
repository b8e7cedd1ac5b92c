//! Writes what a package has beside the program: `./dev package` puts it into place.
//!
//! Everything is made from what is there already: the manual, the completions and the file of settings from the command line, the
//! bill of materials and the licences from what cargo knows. It must never know how a package is put together.
//!
//! | module | concept |
//! |---|---|
//! | [`settings`] | the file of all settings, each one commented out |
//! | [`dependencies`] | the crates that the program is built from |
//! | [`bill`] | they as a `CycloneDX` document |
//! | [`licences`] | their licences, with the texts |

mod bill;
mod dependencies;
mod licences;
mod settings;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap_complete::Shell;

use dependencies::Dependency;

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, commit] = arguments.as_slice() else { bail!("usage: forebay-package FOLDER COMMIT") };
    let folder = Path::new(folder);
    let mut command = forebay_cli::command_line();

    let manual = made(&folder.join("man"))?;
    clap_mangen::generate_to(command.clone(), &manual).context("cannot write the manual")?;
    let completions = made(&folder.join("completions"))?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "forebay", &completions).context("cannot write completions")?;
    }
    write(folder, "forebay.conf", &settings::file(&command))?;

    let all = Dependency::all()?;
    write(folder, "forebay.cdx.json", &format!("{:#}\n", bill::document(&all, commit)))?;
    write(folder, "copyright", &licences::text(&all)?)
}

fn made(folder: &Path) -> Result<std::path::PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder.to_owned())
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))
}
