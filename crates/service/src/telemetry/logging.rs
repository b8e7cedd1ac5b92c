//! How logs are written, as flags.

use tracing_subscriber::filter::{EnvFilter, LevelFilter};

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
    use super::*;

    #[test]
    fn log_directives_are_accepted() {
        for level in ["info", "DEBUG", "off", "info,forebay_service=debug", "warn,forebay_service::http=trace"] {
            assert_eq!(log_level(level).as_deref(), Ok(level));
        }
    }
}
