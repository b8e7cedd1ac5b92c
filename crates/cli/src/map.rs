//! `forebay map`: maps that say what of a file makes an order.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use forebay_replay::{NAMED_MAPS, NamedMap, Suggestion, suggest};
use forebay_service::BadSetting;
use forebay_terminal::{note, out};

/// What is done with maps.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The maps that come with Forebay, and what they are for
    List,
    /// Print one of them, to be used as it is (`replay --map NAME`) or as the beginning of another
    Show {
        /// Its name
        name: String,
    },
    /// Suggest a map for a file, by what its beginning looks like
    ///
    /// Standard output is the map, with what is not certain as comments (`# ?`). Standard error says the same, and what the first
    /// five orders of the file become. Where there is something to decide, it says DECIDE.
    Suggest {
        /// A file of orders
        file: PathBuf,
        /// Write the map beside the file, as FILE.map.toml, and never over another
        #[arg(long)]
        write: bool,
    },
}

/// Does it.
pub(crate) fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::List => {
            for map in NAMED_MAPS {
                out!("{:<18} {}", map.name, map.about())?;
            }
        }
        Command::Show { name } => {
            let known = || NAMED_MAPS.iter().map(|map| map.name).collect::<Vec<_>>().join(", ");
            let map = NamedMap::find(&name)
                .ok_or_else(|| BadSetting::new(format!("there is no map {name:?}: there are {}", known())))?;
            out!("{}", map.text.trim_end())?;
        }
        Command::Suggest { file, write } => {
            let suggestion = suggest(&file)?;
            if write {
                let place = write_beside(&file, &suggestion.text)?;
                note!("forebay: the map is in {}", place.display());
            } else {
                out!("{}", suggestion.text.trim_end())?;
            }
            tell(&suggestion);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(suggestion: &Suggestion) {
    if let Some(name) = suggestion.named {
        note!("forebay: the file has the shape that the map {name} is for (replay --map {name})");
    }
    for doubt in &suggestion.doubts {
        note!("forebay: {doubt}");
    }
    note!("forebay: the first orders by this map:");
    for order in &suggestion.first {
        match order {
            Ok(order) => note!("  {order}"),
            Err(why) => note!("  rejected: {why}"),
        }
    }
}

fn write_beside(file: &Path, text: &str) -> Result<PathBuf> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".map.toml");
    let place = file.with_file_name(name);
    let made = std::fs::File::options().write(true).create_new(true).open(&place);
    let written = made.and_then(|mut made| std::io::Write::write_all(&mut made, text.as_bytes()));
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(BadSetting::new(format!("{} is there already: remove it, or leave out --write", place.display()))
                .into())
        }
        written => {
            written.with_context(|| format!("cannot write {}", place.display()))?;
            Ok(place)
        }
    }
}
