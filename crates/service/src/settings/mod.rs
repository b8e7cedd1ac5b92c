//! The settings of every service: each is a flag with an environment variable `FOREBAY_…`.

pub mod command_line;
pub mod units;

use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::filter::{EnvFilter, LevelFilter};

use crate::auth::JwtSettings;
use crate::failpoint::Failpoints;
use crate::http::{Origins, TlsSettings};

/// The settings that every service has; `#[command(flatten)]` them into a service's own.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Service")]
pub struct ServiceSettings {
    /// How logs are written.
    #[command(flatten)]
    pub logging: LoggingSettings,

    /// Seconds that a stopping service may take to finish what it has begun
    #[arg(long = "shutdown-grace-s", env = "FOREBAY_SHUTDOWN_GRACE_S", value_name = "SECONDS",
        default_value = "20", value_parser = units::seconds)]
    pub shutdown_grace: Duration,

    /// TOML file of the API clients (`forebay keys` writes it), read again when it changes; without it access is open to everybody
    #[arg(long, env = "FOREBAY_CLIENTS_FILE", value_name = "FILE")]
    pub clients_file: Option<PathBuf>,

    /// Whose tokens let clients in.
    #[command(flatten)]
    pub jwt: JwtSettings,

    /// Whether connections are TLS.
    #[command(flatten)]
    pub tls: TlsSettings,

    /// Connections served at the same time; further ones wait to be accepted
    #[arg(long, env = "FOREBAY_CONNECTIONS_MAX", value_name = "NUMBER", default_value = "4096",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_max: u32,

    /// Origins whose pages may ask it from a browser, such as `https://shop.example`, separated by commas; `*` is all
    #[arg(long, env = "FOREBAY_CORS_ORIGINS", value_name = "ORIGINS")]
    pub cors_origins: Option<Origins>,

    /// Where the service fails on purpose, for tests
    #[arg(long, env = "FOREBAY_FAILPOINTS", default_value = "", hide = true)]
    pub failpoints: Failpoints,
}

/// How logs are written.
#[derive(Debug, Clone, clap::Args)]
pub struct LoggingSettings {
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

impl Default for LoggingSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

impl Default for ServiceSettings {
    /// What stands in `--help`, without a look at the environment: for tests.
    fn default() -> Self {
        Self {
            logging: LoggingSettings::default(),
            shutdown_grace: Duration::from_secs(20),
            clients_file: None,
            jwt: JwtSettings::default(),
            tls: TlsSettings::default(),
            connections_max: 4096,
            cors_origins: None,
            failpoints: Failpoints::default(),
        }
    }
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
    use std::ffi::OsString;

    use clap::Parser;

    use super::*;
    use crate::settings::command_line::{Stop, try_parse_from};

    #[derive(Debug, Parser)]
    #[command(name = "forebay-example", version)]
    struct Example {
        #[command(flatten)]
        service: ServiceSettings,
        /// A size.
        #[arg(long, env = "FOREBAY_EXAMPLE_SIZE", default_value = "64MiB")]
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
    fn help_shows_every_variable() {
        let Err(Stop::Asked(help)) = parse(&["--help"]) else { panic!("--help is no run") };
        let help = help.to_string();
        for variable in [
            "FOREBAY_LOG_FORMAT",
            "FOREBAY_LOG_LEVEL",
            "FOREBAY_SHUTDOWN_GRACE_S",
            "FOREBAY_CLIENTS_FILE",
            "FOREBAY_JWT_ISSUER",
            "FOREBAY_JWT_AUDIENCE",
            "FOREBAY_JWKS",
            "FOREBAY_TLS_CERT",
            "FOREBAY_TLS_KEY",
            "FOREBAY_TLS_CLIENT_CA",
            "FOREBAY_CONNECTIONS_MAX",
            "FOREBAY_CORS_ORIGINS",
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
