//! What is told once everything runs.

use std::fmt::Write;
use std::path::Path;

use forebay_stack::Stack;

use super::read_back::ReadBack;
use super::sample::Sample;
use super::services::Service;
use super::settings::UpSettings;
use crate::grouped::grouped;

/// Everything that was done, where everything is, and what to try.
pub(super) fn render(
    settings: &UpSettings,
    stack: &Stack,
    home: &Path,
    sample: Option<(&Sample, &ReadBack)>,
) -> String {
    let mut text = String::from("Forebay is up.\n\n");
    // Writing into a String cannot fail.
    let _ = writeln!(text, "Data and logs are in {}.", home.display());
    if let Some((sample, back)) = sample {
        let _ = writeln!(text, "{}", describe_sample(sample));
        let _ = writeln!(text, "{}", describe_read_back(sample, back));
    }
    let _ = write!(text, "\n{}", addresses(settings, stack));
    let _ = write!(text, "\nTry:\n{}", to_try(settings, sample.map(|(_, back)| back)));
    text
}

/// What is said last: how it is stopped.
pub(super) fn how_to_stop(settings: &UpSettings) -> &'static str {
    if settings.in_background {
        "\n`forebay down` stops it (`./dev down` in a clone); the data stays."
    } else {
        "\nCtrl-C stops everything; the data stays."
    }
}

fn describe_sample(sample: &Sample) -> String {
    let Sample { path, orders, took, added, .. } = sample;
    let news = match (added.stored, added.duplicate) {
        (0, duplicate) => format!("all were there already ({} duplicates dropped)", grouped(duplicate)),
        (stored, 0) => format!("{} stored", grouped(stored)),
        (stored, duplicate) => format!("{} stored, {} were there already", grouped(stored), grouped(duplicate)),
    };
    let seconds = took.as_secs_f64();
    format!(
        "The sample {} was replayed: {} orders accepted in {seconds:.2} s, {news}.",
        path.display(),
        grouped(*orders)
    )
}

fn describe_read_back(sample: &Sample, back: &ReadBack) -> String {
    format!(
        "Read back: {} of customer {}, {} of one hour; the newest is {} in both.",
        back.of_customer.count(),
        sample.last.customer_id,
        back.of_hour.count(),
        sample.last.order_id,
    )
}

fn addresses(settings: &UpSettings, stack: &Stack) -> String {
    let mut text = String::new();
    for (service, what) in [
        (Service::Ingest, "takes in orders"),
        (Service::Query, "answers questions"),
        (Service::Writer, "brings the log into the shards; /metrics and /readyz, as on the others"),
    ] {
        let _ = writeln!(text, "  {:9} {:24} {what}", service.name(), service.url(settings));
    }
    let ports: Vec<String> = settings.postgres_ports.0.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let _ = writeln!(text, "  {:9} {} (user and database forebay)", "Postgres", ports.join(", "));
    let _ = writeln!(text, "  {:9} {}", "NATS", stack.nats_url());
    let _ = writeln!(text, "  {:9} {}", "Redis", stack.redis_url());
    text
}

fn to_try(settings: &UpSettings, back: Option<&ReadBack>) -> String {
    let (ingest, query) = (Service::Ingest.url(settings), Service::Query.url(settings));
    let order =
        r#"{"customer_id": "CUST789", "items": [{"sku": "SHOE001", "quantity": 1, "price": 2999, "seller_id": "S7"}]}"#;
    let mut text = format!("  curl {ingest}/v1/orders -H 'Content-Type: application/json' -d '{order}'\n");
    let _ = writeln!(text, "  curl '{query}/v1/customers/CUST789/orders'");
    if let Some(back) = back {
        let _ = writeln!(text, "  curl '{}'", back.of_customer.url);
        let _ = writeln!(text, "  curl '{}'", back.of_hour.url);
    }
    let _ = writeln!(text, "  curl {query}/v1/stats");
    text
}
