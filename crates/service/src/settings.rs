//! The settings of every service, and how a bad one is reported.
//!
//! Every setting is a flag with an environment variable `FOREBAY_…`. A bad one is one clear line on standard error, and
//! the process ends with [`EXIT_BAD_SETTING`].

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};

use crate::units;

/// The exit code after a bad setting: `EX_USAGE` of `sysexits.h`.
pub const EXIT_BAD_SETTING: u8 = 64;

/// The settings that every service has; `#[command(flatten)]` them into a service's own.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Service")]
pub struct ServiceSettings {
    /// How logs are written.
    #[command(flatten)]
    pub log: LogSettings,

    /// Seconds that a stopping service may take to finish what it has begun
    #[arg(long = "shutdown-grace-s", env = "FOREBAY_SHUTDOWN_GRACE_S", value_name = "SECONDS",
        default_value = "20", value_parser = units::seconds)]
    pub shutdown_grace: Duration,

    /// TOML file of the API clients; without it access is open to everybody
    #[arg(long, env = "FOREBAY_CLIENTS_FILE", value_name = "FILE")]
    pub clients_file: Option<PathBuf>,

    /// Connections served at the same time; further ones wait to be accepted
    #[arg(long, env = "FOREBAY_CONNECTIONS_MAX", value_name = "NUMBER", default_value = "4096",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_max: u32,
}

/// How logs are written.
#[derive(Debug, Clone, clap::Args)]
pub struct LogSettings {
    /// Form of the log lines on standard error
    #[arg(long = "log-format", env = "FOREBAY_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub format: LogFormat,

    /// What is logged: a level, or directives such as `info,forebay_service=debug`
    #[arg(long = "log-level", env = "FOREBAY_LOG_LEVEL", value_name = "LEVEL", default_value = "info",
        value_parser = log_level)]
    pub level: String,
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people: time, level, where, message and fields on a line.
    Text,
    /// For machines: a JSON object on a line.
    Json,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

impl Default for ServiceSettings {
    /// What stands in `--help`, without a look at the environment: for tests.
    fn default() -> Self {
        Self {
            log: LogSettings::default(),
            shutdown_grace: Duration::from_secs(20),
            clients_file: None,
            connections_max: 4096,
        }
    }
}

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
                eprintln!("{line}");
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

/// Accepts what `tracing` filters accept, but no misspelt level: `debgu` alone would be taken for a target's name.
fn log_level(text: &str) -> Result<String, String> {
    for directive in text.split(',').filter(|directive| !directive.contains(['=', '['])) {
        directive
            .trim()
            .parse::<LevelFilter>()
            .map_err(|_| format!("{directive:?} is not one of off, error, warn, info, debug, trace"))?;
    }
    EnvFilter::try_new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "forebay-example", version)]
    struct Example {
        #[command(flatten)]
        service: ServiceSettings,
        /// A size.
        #[arg(long, env = "FOREBAY_EXAMPLE_SIZE", default_value_t = units::ByteSize::mib(64))]
        size: units::ByteSize,
    }

    fn parse(args: &[&str]) -> Result<Example, Stop> {
        try_parse_from(std::iter::once("forebay-example").chain(args.iter().copied()).map(OsString::from))
    }

    fn bad(args: &[&str]) -> String {
        match parse(args) {
            Err(Stop::Bad(line)) => line,
            other => panic!("expected a bad setting, got {other:?}"),
        }
    }

    #[test]
    fn defaults_are_those_of_the_default_impl() {
        let parsed = parse(&[]).expect("nothing is required");
        assert_eq!(format!("{:?}", parsed.service), format!("{:?}", ServiceSettings::default()));
        assert_eq!(parsed.size, units::ByteSize::mib(64));
    }

    #[test]
    fn a_bad_setting_is_one_line_that_names_flag_value_and_variable() {
        let line = bad(&["--shutdown-grace-s", "soon"]);
        assert_eq!(
            line,
            "forebay-example: invalid value 'soon' for '--shutdown-grace-s <SECONDS>': expected a number of seconds \
             (or FOREBAY_SHUTDOWN_GRACE_S)"
        );
        for args in
            [&["--log-format", "xml"][..], &["--log-level", "debgu"], &["--size", "big"], &["--no-such-flag"], &["x"]]
        {
            let line = bad(args);
            assert!(line.starts_with("forebay-example: ") && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn a_bad_address_is_told_back_without_its_password() {
        let line =
            "invalid value 'postgres://u:se/cr:et@h:1/x,nats://v@i|x://w:secret@j' for '--x': `y://u:secret@h` is none";
        let shown = "invalid value 'postgres://u:…@h:1/x,nats://v@i|x://w:…@j' for '--x': `y://u:…@h` is none";
        assert_eq!(without_passwords(line), shown);
    }

    #[test]
    fn help_shows_every_variable() {
        let Err(Stop::Asked(help)) = parse(&["--help"]) else { panic!("--help is no run") };
        let help = help.to_string();
        for variable in [
            "FOREBAY_LOG_FORMAT",
            "FOREBAY_LOG_LEVEL",
            "FOREBAY_SHUTDOWN_GRACE_S",
            "FOREBAY_CLIENTS_FILE",
            "FOREBAY_CONNECTIONS_MAX",
        ] {
            assert!(help.contains(variable), "{variable} is missing in:\n{help}");
        }
        assert!(help.contains("64MiB"), "{help}");
    }

    #[test]
    fn log_directives_are_accepted() {
        for level in ["info", "DEBUG", "off", "info,forebay_service=debug", "warn,forebay_service::http=trace"] {
            assert_eq!(log_level(level).as_deref(), Ok(level));
        }
    }
}
