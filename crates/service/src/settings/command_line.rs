//! A command line and the environment to settings, and how a bad one is reported: one clear line on standard error, and the
//! exit code [`EXIT_BAD_SETTING`].

use std::ffi::OsString;
use std::io::Write;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The exit code after a bad setting: `EX_USAGE` of `sysexits.h`.
pub const EXIT_BAD_SETTING: u8 = 64;

/// A setting that cannot be used: one line that says which and why.
///
/// A service returns it (through `anyhow`) from its start for what only shows itself after parsing; [`crate::run`] then
/// prints the line and exits with [`EXIT_BAD_SETTING`].
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct BadSetting(String);

impl BadSetting {
    /// A bad setting with the line that explains it.
    pub fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }
}

/// Parses the process's flags and environment.
///
/// Does not return for `--help` and `--version` (exit code 0), nor for a bad setting (one line, exit code 64).
pub fn parse<T: clap::Parser>() -> T {
    try_parse_from(std::env::args_os()).unwrap_or_else(|stop| stop.exit())
}

/// Why a command line does not lead to a run.
#[derive(Debug)]
pub enum Stop {
    /// The text that `--help` or `--version` asked for.
    Asked(clap::Error),
    /// A bad setting, with the program's name in front.
    Bad(String),
}

impl Stop {
    fn exit(self) -> ! {
        match self {
            Self::Asked(text) => text.exit(),
            Self::Bad(line) => {
                let _ = writeln!(std::io::stderr(), "{line}");
                std::process::exit(EXIT_BAD_SETTING.into())
            }
        }
    }
}

/// Parses `args` (the first is the program's name) and the environment; the part of [`parse`] that tests can call.
pub fn try_parse_from<T: clap::Parser>(args: impl IntoIterator<Item = OsString>) -> Result<T, Stop> {
    T::try_parse_from(args).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Asked(error),
        _ => {
            let mut command = T::command();
            command.build();
            Stop::Bad(one_line(&command, &error))
        }
    })
}

/// Clap explains itself over several lines (usage, hints); the first paragraph says what is wrong.
fn one_line(command: &clap::Command, error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return format!("{}: a subcommand is missing; see --help", command.get_name());
    }
    let rendered = error.render().to_string();
    let paragraph: Vec<&str> = rendered.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let paragraph = paragraph.join(" ");
    let reason = paragraph.strip_prefix("error: ").unwrap_or(&paragraph);
    let variable = environment_variable(command, error).map(|name| format!(" (or {name})")).unwrap_or_default();
    format!("{}: {}{variable}", command.get_name(), without_passwords(reason))
}

/// The value that is told back may be an address with a password in it: `scheme://user:password@host`.
fn without_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(['\'', '`', '"', ' ', ',', '|']).unwrap_or(part.len());
        let (address, rest) = part.split_at(end);
        let user_and_host = address.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host)));
        shown += "://";
        match user_and_host {
            Some((user, host)) => shown.extend([user, ":…@", host]),
            None => shown += address,
        }
        shown += rest;
    }
    shown
}

/// The environment variable of the setting that the error is about, since the bad value may have come from there.
fn environment_variable(command: &clap::Command, error: &clap::Error) -> Option<String> {
    let ContextValue::String(shown) = error.get(ContextKind::InvalidArg)? else { return None };
    let setting = find_setting(command, shown)?;
    Some(setting.get_env()?.to_string_lossy().into_owned())
}

/// Looks for a setting by the form in which errors show it, in the command and its subcommands.
fn find_setting<'a>(command: &'a clap::Command, shown: &str) -> Option<&'a clap::Arg> {
    let own = command.get_arguments().find(|setting| setting.to_string() == shown);
    own.or_else(|| command.get_subcommands().find_map(|subcommand| find_setting(subcommand, shown)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_address_is_told_back_without_its_password() {
        let line = "invalid value 'postgres://u:se/cr:et@h:1/x,nats://v@i|x://w:secret@j' for '--x': `y://u:secret@h` is not valid";
        let shown = "invalid value 'postgres://u:…@h:1/x,nats://v@i|x://w:…@j' for '--x': `y://u:…@h` is not valid";
        assert_eq!(without_passwords(line), shown);
    }
}
