//! Tables of metrics: what is measured, under which name, with which labels, and what it means.
//!
//! Each crate that measures something has one such table, made by [`metric_table!`](crate::metric_table). The text stands in
//! `/metrics` as `# HELP`, and docs/METRICS.md is made from it.

use ::metrics::{describe_counter, describe_gauge, describe_histogram};

/// What a metric is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A sum that only grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// How often values fell into which range.
    Histogram,
}

/// A metric. Its name ends with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// What it is to Prometheus.
    pub kind: MetricKind,
    /// Its name.
    pub name: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it means, in a sentence without a full stop.
    pub help: &'static str,
}

impl MetricKind {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Tells the recorder what the metrics of a table mean.
pub fn describe(table: &[Metric]) {
    for Metric { kind, name, help, .. } in table {
        match kind {
            MetricKind::Counter => describe_counter!(*name, *help),
            MetricKind::Gauge => describe_gauge!(*name, *help),
            MetricKind::Histogram => describe_histogram!(*name, *help),
        }
    }
}

/// Makes a constant of each metric, and the table `METRICS` of all.
#[macro_export]
macro_rules! metric_table {
    ($( $metric:ident $kind:ident $name:literal [$( $label:literal ),*] $help:literal; )+) => {
        $(
            #[doc = $help]
            pub(crate) const $metric: $crate::telemetry::metrics::Metric = $crate::telemetry::metrics::Metric {
                kind: $crate::telemetry::metrics::MetricKind::$kind,
                name: $name,
                labels: &[$( $label ),*],
                help: $help,
            };
        )+

        /// Every metric of this crate.
        pub const METRICS: &[$crate::telemetry::metrics::Metric] = &[$( $metric ),+];
    };
}

metric_table! {
    BUILD_INFO Gauge "forebay_build_info" ["service", "version"] "Always 1; the labels say what runs";
    DEPENDENCY_UP Gauge "forebay_dependency_up" ["dependency"] "Whether what the service depends on works: 1 or 0";
    CONNECTIONS Gauge "forebay_http_connections" [] "Connections of clients that are open";
    CONNECTIONS_ACCEPTED Counter "forebay_http_connections_accepted_total" [] "Connections of clients that were accepted";
    ACCEPT_ERRORS Counter "forebay_http_accept_errors_total" []
        "Failures to accept connections, such as for want of file descriptors";
    REQUESTS Counter "forebay_http_requests_total" ["route", "method", "status"] "Requests that were answered";
    REQUEST_SECONDS Histogram "forebay_http_request_seconds" ["route", "method"]
        "Time from a request's head to the head of its answer";
    PROBLEMS Counter "forebay_http_problems_total" ["route", "code"] "Answers that are problems, by their code";
    TOKENS Counter "forebay_tokens_total" ["result"] "Tokens (JWT) that came: known from before (cached), verified, or refused";
    JWKS_KEYS Gauge "forebay_jwks_keys" [] "Keys of the issuer of tokens that can be used";
    JWKS_FETCHES Counter "forebay_jwks_fetches_total" ["result"] "Attempts to fetch the issuer's keys: ok or failed";
    JWKS_FETCHED Gauge "forebay_jwks_fetched_timestamp_seconds" [] "When the issuer's keys were fetched last";
    RESIDENT_BYTES Gauge "process_resident_memory_bytes" [] "Memory of the process";
    CPU_SECONDS Counter "process_cpu_seconds_total" [] "Processor time, user and system";
    OPEN_FILES Gauge "process_open_fds" [] "Open file descriptors";
    OPEN_FILES_MAX Gauge "process_max_fds" [] "Limit of open file descriptors";
}
