//! Logs, the metrics recorder and the TLS provider: what exists once per process.

mod lines;
mod logging;
pub mod metrics;
pub(crate) mod process;

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing::{Dispatch, error};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::telemetry::lines::Named;
use crate::telemetry::metrics::{METRICS, describe};

pub use logging::{LogFormat, LoggingSettings};

/// Histogram buckets by the unit at the end of a metric's name.
const BUCKETS: [(&str, &[f64]); 3] = [
    (
        "_seconds",
        &[
            0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
            30.0, 60.0,
        ],
    ),
    (
        "_bytes",
        &[256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0, 67_108_864.0],
    ),
    (
        "_rows",
        &[
            1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0, 20_000.0,
            50_000.0, 100_000.0,
        ],
    ),
];

/// Histograms keep what was recorded until somebody collects it; without a scrape the upkeep does.
const UPKEEP: Duration = Duration::from_secs(5);

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// The metrics of this process, for `/metrics`.
#[derive(Clone, Copy)]
pub struct Metrics {
    recorder: &'static PrometheusHandle,
}

/// Starts logging to standard error, logs panics, and installs the TLS provider. Later calls change nothing.
pub fn install(log: &LoggingSettings) {
    let logs = logs(log, std::io::stderr, std::io::stderr().is_terminal());
    // Both fail only where one is installed already, and then that one stays.
    if tracing::dispatcher::set_global_default(logs).is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    install_tls_provider();
}

/// Installs the TLS provider of the process. Later calls change nothing.
pub(crate) fn install_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl Metrics {
    /// Installs the recorder of this process, or finds the one that is installed.
    pub fn install() -> Self {
        let recorder = RECORDER.get_or_init(install_recorder);
        describe(METRICS);
        Self { recorder }
    }

    /// Collects what was recorded every few seconds, until `stop`.
    pub(crate) async fn upkeep(self, stop: CancellationToken) -> anyhow::Result<()> {
        while stop.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
            self.recorder.run_upkeep();
        }
        Ok(())
    }

    /// All metrics in Prometheus text form.
    pub fn render(self) -> String {
        let mut text = self.recorder.render();
        process::render(&mut text);
        text
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// What writes the log. A line has the fields of the spans around it, from the outermost inwards, and each of them once; and the name of
/// the request that it was logged for.
fn logs(log: &LoggingSettings, to: impl for<'w> MakeWriter<'w> + Send + Sync + 'static, is_ansi: bool) -> Dispatch {
    // The client of NATS tells every second that a server is away; what matters of that the log's own lines say. Directives that follow win.
    let filter = EnvFilter::new(format!("async_nats=warn,{}", log.level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(to).with_ansi(is_ansi);
    match log.format {
        LogFormat::Text => builder.map_event_format(Named::text).into(),
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(false).map_event_format(Named::json).into()
        }
    }
}

fn install_recorder() -> PrometheusHandle {
    let mut builder = PrometheusBuilder::new();
    for (suffix, buckets) in BUCKETS {
        builder = builder
            .set_buckets_for_metric(Matcher::Suffix(suffix.to_owned()), buckets)
            .expect("every list of buckets has an entry");
    }
    builder.install_recorder().expect("only this function installs a recorder, and it runs once")
}

/// A panic in the log's own form, so that it is found where everything else is.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("a value that is no text");
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = std::backtrace::Backtrace::capture();
    if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
        error!(location, %backtrace, "panic: {message}");
    } else {
        error!(location, "panic: {message}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::{error_span, warn};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A warning within two spans, where only warnings are logged.
    fn line(format: LogFormat) -> String {
        let (page, log) = (Page::default(), LoggingSettings { format, level: "warn".to_owned() });
        let to = {
            let page = page.clone();
            move || page.clone()
        };
        tracing::dispatcher::with_default(&logs(&log, to, false), || {
            let _lane = error_span!("drain", lane = %"orders", shard = 1).entered();
            error_span!("commit", position = 460).in_scope(|| warn!(reason = "away", "interrupted"));
        });
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_warning_says_lane_shard_and_position_of_its_spans_once() {
        let text = line(LogFormat::Text);
        assert!(text.contains(" WARN drain{lane=orders shard=1}:commit{position=460}: "), "{text}");
        assert!(text.ends_with(": interrupted reason=\"away\"\n"), "{text}");
        let json: Value = serde_json::from_str(&line(LogFormat::Json)).unwrap();
        let spans = json!([{"name": "drain", "lane": "orders", "shard": 1}, {"name": "commit", "position": 460}]);
        assert_eq!((&json["spans"], &json["span"], &json["reason"]), (&spans, &Value::Null, &json!("away")), "{json}");
    }
}
