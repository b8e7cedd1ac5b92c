//! What is told once everything runs.

use std::fmt::Write;
use std::path::Path;

use forebay_api::Role;
use forebay_api::streams::{HaltCause, StreamReport};
use forebay_log::{LOCAL_NATS, LogName};
use forebay_redis::LOCAL_REDIS;
use forebay_stack::{ServiceName, Stack};
use forebay_terminal::grouped;

use super::args::UpArgs;
use super::halted::Halted;
use super::read_back::ReadBack;
use super::sample::Sample;
use super::{secure, services};

/// What came of the sample.
#[derive(Debug)]
pub(super) enum Shown {
    /// None was wanted.
    Nothing,
    /// It was replayed and read back.
    Sample(Box<(Sample, ReadBack)>),
    /// Streams stand still, so nothing was done.
    Halted(Halted),
}

/// Everything that was done, where everything is, and what to try.
pub(super) fn render(args: &UpArgs, stack: &Stack, home: &Path, shown: &Shown) -> String {
    let mut text = String::from("Forebay is up.\n\n");
    // Writing into a String cannot fail.
    let _ = writeln!(text, "Data and logs are in {}.", home.display());
    let back = match shown {
        Shown::Nothing => None,
        Shown::Halted(halted) => {
            let _ = write!(text, "\n{}", describe_halted(halted, &flags(args, stack)));
            None
        }
        Shown::Sample(shown) => {
            let (sample, back) = &**shown;
            let _ = writeln!(text, "{}", describe_sample(sample));
            let _ = writeln!(text, "{}", describe_read_back(sample, back));
            Some(back)
        }
    };
    let _ = write!(text, "\n{}", addresses(args, stack));
    let _ = write!(text, "\nTry:\n{}", to_try(args, stack, home, back));
    text
}

/// What is said last: how it is stopped.
pub(super) fn how_to_stop(args: &UpArgs) -> &'static str {
    if args.in_background {
        "\n`forebay down` stops it (`./dev down` in a clone); the data stays."
    } else {
        "\nCtrl-C stops everything; the data stays."
    }
}

/// What stands still, and how it goes on.
fn describe_halted(Halted(streams): &Halted, flags: &str) -> String {
    let mut text = String::new();
    for StreamReport { stream, shard, reason, halted_by, .. } in streams {
        let reason = reason.as_deref().unwrap_or("its writer does not say why");
        let _ = writeln!(text, "! Stream {} stands still: {reason}.", stream.on(*shard));
        let _ = match halted_by {
            Some(HaltCause::UnknownFormat) => {
                writeln!(text, "!   Nothing is lost: a writer of the version that wrote it goes on by itself.")
            }
            Some(HaltCause::Violation) => {
                writeln!(
                    text,
                    "!   Nothing is lost, and nothing was committed: look for triggers, rules or other writers on its tables."
                )
            }
            Some(HaltCause::Loss | HaltCause::Damage) | None => {
                writeln!(
                    text,
                    "!   forebay log accept-loss {stream} {shard}{flags}\n!   shows what is lost; with --yes the stream is read on."
                )
            }
        };
    }
    text.push_str(
        "! See docs/OPERATIONS.md. Everything else runs. The sample was not replayed: the next `forebay up` does it.\n",
    );
    text
}

/// What commands have to be told where this system is not where they look for one: flag, variable and value. Its map says where the shards are.
fn elsewhere(args: &UpArgs, stack: &Stack) -> Vec<(&'static str, &'static str, String)> {
    let url = |service| services::url(service, args);
    let found = [
        ("--nats", "FOREBAY_NATS", stack.nats_url(), LOCAL_NATS.to_owned()),
        ("--redis", "FOREBAY_REDIS", stack.redis_url(), LOCAL_REDIS.to_owned()),
        ("--log-prefix", "FOREBAY_LOG_PREFIX", args.log_prefix.to_string(), LogName::default().to_string()),
        ("--to", "FOREBAY_INGEST_URL", url(ServiceName::Ingest), Role::Ingest.url_default().to_owned()),
        ("--query", "FOREBAY_QUERY_URL", url(ServiceName::Query), Role::Query.url_default().to_owned()),
    ];
    let other = found.into_iter().filter(|(_, _, found, usual)| found != usual);
    other.map(|(flag, variable, found, _)| (flag, variable, found)).collect()
}

/// The flags of a command on the log.
fn flags(args: &UpArgs, stack: &Stack) -> String {
    if args.secure {
        return "   # in a shell that has read secure.env".to_owned();
    }
    let of_log = elsewhere(args, stack).into_iter().filter(|(flag, ..)| ["--nats", "--log-prefix"].contains(flag));
    of_log.map(|(flag, _, found)| [" ", flag, " ", &found].concat()).collect()
}

fn describe_sample(sample: &Sample) -> String {
    let Sample { files, orders, events, took, added, .. } = sample;
    let news = match (added.stored, added.duplicate) {
        (0, duplicate) => format!("all were there already ({} duplicates dropped)", grouped(duplicate)),
        (stored, 0) => format!("{} stored", grouped(stored)),
        (stored, duplicate) => format!("{} stored, {} were there already", grouped(stored), grouped(duplicate)),
    };
    let seconds = took.as_secs_f64();
    format!(
        "The sample {} was replayed: {} orders and {} events accepted in {seconds:.2} s; of the orders {news}.",
        files.orders.display(),
        grouped(*orders),
        grouped(*events)
    )
}

fn describe_read_back(sample: &Sample, back: &ReadBack) -> String {
    format!(
        "Read back: {} of customer {}, {} of one hour; the newest is {} in both. The oldest, {}, is {} after {} events.",
        back.of_customer.count(),
        sample.ends.last.customer_id,
        back.of_hour.count(),
        sample.ends.last.order_id,
        back.first.order_id,
        back.first.status,
        back.first.events,
    )
}

fn addresses(args: &UpArgs, stack: &Stack) -> String {
    let mut text = String::new();
    for (service, what) in [
        (ServiceName::Ingest, "takes in orders"),
        (ServiceName::Query, "answers questions"),
        (ServiceName::Writer, "brings the log into the shards; /metrics and /readyz, as on the others"),
    ] {
        let _ = writeln!(text, "  {:9} {:24} {what}", service.as_str(), services::url(service, args));
    }
    let ports: Vec<String> = args.postgres_ports.0.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let asks = if args.secure { "; TLS and a password" } else { "" };
    let _ = writeln!(text, "  {:9} {} (user and database forebay{asks})", "Postgres", ports.join(", "));
    let _ = writeln!(text, "  {:9} {}", "NATS", stack.nats_url());
    let _ = writeln!(text, "  {:9} {}", "Redis", stack.redis_url());
    text
}

fn to_try(args: &UpArgs, stack: &Stack, home: &Path, back: Option<&ReadBack>) -> String {
    let (ingest, query) = (services::url(ServiceName::Ingest, args), services::url(ServiceName::Query, args));
    let order =
        r#"{"customer_id": "CUST789", "items": [{"sku": "SHOE001", "quantity": 1, "price": 2999, "seller_id": "S7"}]}"#;
    let mut text = String::new();
    let mut curl = String::from("curl");
    if args.secure {
        let _ = writeln!(text, "  . '{}'", secure::variables_path(home).display());
        let _ = writeln!(text, "  KEY=$(forebay keys add me --rights read,write,ops)   # good within two seconds");
        curl.push_str(" -H \"Authorization: Bearer $KEY\"");
    } else {
        let elsewhere = elsewhere(args, stack);
        if !elsewhere.is_empty() {
            text.push_str("  # other commands find this system by\n");
        }
        for (_, variable, found) in elsewhere {
            let _ = writeln!(text, "  export {variable}={found}");
        }
    }
    let _ = writeln!(text, "  {curl} {ingest}/v1/orders -H 'Content-Type: application/json' -d '{order}'");
    let _ = writeln!(text, "  {curl} '{query}/v1/customers/CUST789/orders'");
    let _ = writeln!(text, "  # of a view the path has the plural: `seller` is read as");
    let _ = writeln!(text, "  {curl} '{query}/v1/sellers/S7/orders'");
    if let Some(back) = back {
        let _ = writeln!(text, "  {curl} '{}'", back.of_customer.url);
        let _ = writeln!(text, "  {curl} '{}'", back.of_hour.url);
        let _ = writeln!(text, "  {curl} '{}'", back.first.url);
    }
    let _ = writeln!(text, "  {curl} {query}/v1/stats");
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use forebay_api::streams::DrainState;
    use forebay_model::{ShardId, StreamKind};

    fn told(halted_by: HaltCause) -> String {
        let report = StreamReport {
            stream: StreamKind::Logged,
            shard: ShardId(1),
            state: DrainState::Halted,
            leader: false,
            reason: Some("so it is".to_owned()),
            halted_by: Some(halted_by),
            since: String::new(),
            position: None,
            lanes: BTreeMap::default(),
            committed_at: None,
            lag_frames: None,
            lag_seconds: 0.0,
            log: None,
            derived: Vec::new(),
        };
        describe_halted(&Halted(vec![report]), "")
    }

    /// Accepting a loss is advice for what has lost something, and would lose what has not.
    #[test]
    fn a_loss_is_accepted_only_where_there_is_one() {
        for (cause, is_loss) in [
            (HaltCause::Loss, true),
            (HaltCause::Damage, true),
            (HaltCause::UnknownFormat, false),
            (HaltCause::Violation, false),
        ] {
            let told = told(cause);
            assert!(told.starts_with("! Stream logged-1 stands still: so it is.\n"), "{told}");
            assert_eq!(told.contains("accept-loss logged 1"), is_loss, "{told}");
            assert_eq!(told.contains("Nothing is lost"), !is_loss, "{told}");
        }
    }
}
