//! The settings of every service: each is a flag with an environment variable `FOREBAY_…`.

use std::path::PathBuf;
use std::time::Duration;

use crate::auth::JwtSettings;
use crate::failpoint::Failpoints;
use crate::http::{Origins, TlsSettings};
use crate::settings::units;
use crate::telemetry::LoggingSettings;

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
}
