//! docs/METRICS.md says what the tables of the services say.

use std::fmt::Write;
use std::fs;

use forebay_service::telemetry::metrics::Metric;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");

const TABLES: [(&str, &[Metric]); 4] = [
    ("Every service", forebay_service::telemetry::metrics::METRICS),
    ("Ingest", forebay_ingest::METRICS),
    ("Writer", forebay_writer::METRICS),
    ("Query", forebay_query::METRICS),
];

const HEAD: &str = "# Metrics

What the services measure, at `GET /metrics` of each, in the form of Prometheus. A histogram has `_bucket`, `_sum` and `_count`. Made from the
tables in the code (`metrics.rs` of each service) by `UPDATE=1 ./dev test -p forebay-cli metrics`; do not edit. What to watch, and what to do when:
[OPERATIONS.md](OPERATIONS.md#what-to-watch).
";

/// The unit is the end of the name, where it has one.
fn unit(name: &str) -> &'static str {
    let name = name.trim_end_matches("_total").trim_end_matches("_max");
    ["seconds", "bytes", "rows", "frames", "orders"].into_iter().find(|unit| name.ends_with(unit)).unwrap_or_default()
}

fn section(page: &mut String, title: &str, table: &[Metric]) {
    let _ = writeln!(page, "\n## {title}\n\n| name | type | unit | labels | meaning |\n|---|---|---|---|---|");
    for Metric { kind, name, labels, help } in table {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let (kind, unit, labels) = (kind.as_str(), unit(name), labels.join(", "));
        let _ = writeln!(page, "| `{name}` | {kind} | {unit} | {labels} | {help} |");
    }
}

#[test]
fn the_page_of_metrics_is_what_the_code_says() {
    let file = format!("{DOCS}/METRICS.md");
    let mut page = HEAD.to_owned();
    for (title, table) in TABLES {
        section(&mut page, title, table);
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    assert!(there == page, "docs/METRICS.md is stale; run: UPDATE=1 ./dev test -p forebay-cli metrics");
}

#[test]
fn pages_name_no_metrics_that_do_not_exist() {
    let is_known = |name: &str| TABLES.iter().any(|(_, table)| table.iter().any(|metric| metric.name == name));
    for entry in fs::read_dir(DOCS).unwrap() {
        let file = entry.unwrap().path();
        let Ok(page) = fs::read_to_string(&file) else { continue };
        // Between every other pair of backquotes stands a word of code; with a label or a value it is a query, and with an argument a
        // function of SQL.
        let words = page.split('`').skip(1).step_by(2);
        for name in words.filter(|word| word.starts_with("forebay_") && !word.contains('(')) {
            assert!(is_known(name), "{} names {name}", file.display());
        }
    }
}
