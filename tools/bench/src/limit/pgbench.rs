//! The statements of reads, and inserts of single orders, prepared, by Postgres' own load generator.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use forebay_model::Lane;
use forebay_model::lane::{Column, ColumnType};
use forebay_shard::read::Filter;
use forebay_shard::read::sql::{self, Bounds, Kind};

use crate::servers::Servers;

/// What pgbench says at its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Statements a second.
    pub per_second: f64,
    /// Their mean latency in milliseconds.
    pub mean_ms: f64,
}

/// A script, and what it is given.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Commands of pgbench and one statement; parameters are `:name`.
    pub text: String,
    /// Parameters that are texts: pgbench computes only with numbers.
    pub texts: BTreeMap<&'static str, String>,
    /// Whether its statement writes.
    pub is_writing: bool,
}

/// Like those of the log, places ascend.
const PLACE: &str = "(extract(epoch from clock_timestamp()) * 1000)::int8";

/// Inserts an order with an id of its own into `orders`: of one of thirty thousand customers, at some time of the first day of
/// 2025.
pub fn inserts() -> Script {
    let value = |column: &Column| match (column.name, column.kind) {
        ("order_id", _) => "'ORD' || :n",
        ("customer_id", _) => "'9' || :n % 30000",
        ("kind", _) => "'sale'",
        ("currency", _) => "'EUR'",
        ("items", _) => ":items",
        ("bucket", _) => "(:n % 4096)::int2",
        (_, ColumnType::Int2) => "0",
        (_, ColumnType::Int8) => "5998",
        (_, ColumnType::Text) => "''",
        (_, ColumnType::Timestamptz) => "'2025-01-01 +00'::timestamptz + :n % 86400000 * interval '1 ms'",
        (_, ColumnType::Jsonb) => "'{}'",
    };
    let columns: Vec<&str> = Lane::Orders.columns().iter().map(|column| column.name).collect();
    let values: Vec<&str> = Lane::Orders.columns().iter().map(value).collect();
    let insert = format!(
        "insert into orders ({}, place_log, place_seq) values ({}, 1, {PLACE});\n",
        columns.join(", "),
        values.join(", ")
    );
    let items = r#"[{"sku":"SKU4463","quantity":2,"price":2999,"seller_id":"S11"}]"#.to_owned();
    Script {
        // No two of them are equal, as good as certainly.
        text: format!("\\set n random(1, 4611686018427387904)\n{}", insert.replace(":n", ":n::int8")),
        texts: BTreeMap::from([("items", items)]),
        is_writing: true,
    }
}

/// The statement that gives some orders, and in the same snapshot the position at which they are read. `orders` is what stands
/// behind `from orders where`; parameters are `:name`.
pub fn orders_at_position(orders: &str) -> String {
    // The query service's own, up to the condition.
    const WINDOW: &str = "the window";
    let text = sql::text(Kind::EverybodyNewest, WINDOW, Bounds::default(), Filter::default());
    let head = text.split(WINDOW).next().unwrap_or_default();
    // Nothing is known of units, of which there is nothing to say.
    format!("{}{orders});\n", head.replace("$7", "0"))
}

/// Runs a script on a database; one that reads, with the settings that the query service gives its sessions.
///
/// # Errors
/// What pgbench says.
pub async fn run(servers: &Servers, url: &str, script: &Script, clients: usize, lasts: Duration) -> Result<Measured> {
    let path = servers.path("pgbench.sql");
    tokio::fs::write(&path, &script.text).await?;
    let settings = if script.is_writing { &[] } else { &sql::SESSION[..] };
    let options: Vec<String> = settings.iter().map(|(name, value)| format!("-c {name}={value}")).collect();
    let (server, database) = url.rsplit_once('/').context("an address without a database")?;
    let (_, port) = server.rsplit_once(':').context("an address without a port")?;
    let program = servers.stack.installed().postgres_bin.join("pgbench");
    let mut command = tokio::process::Command::new(program);
    command.env("PGOPTIONS", options.join(" ")).args(["-n", "-M", "prepared", "-j", "1", "-f"]).arg(&path);
    command.args(["-c", &clients.to_string(), "-T", &lasts.as_secs_f64().ceil().to_string()]);
    command.args(["-h", "127.0.0.1", "-p", port, "-U", "forebay"]);
    for (name, text) in &script.texts {
        command.arg(format!("-D{name}={text}"));
    }
    let output = command.arg(database).kill_on_drop(true).output().await.context("pgbench cannot be run")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let report = parse(&text).filter(|_| output.status.success());
    report.with_context(|| format!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn parse(text: &str) -> Option<Measured> {
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Measured { per_second: number("tps = ")?, mean_ms: number("latency average = ")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_pgbench_is_read() {
        let text = "pgbench (15.18)\nlatency average = 0.313 ms\ninitial connection time = 2.1 ms\n\
                    tps = 3190.123456 (without initial connection time)\n";
        assert_eq!(parse(text), Some(Measured { per_second: 3_190.123_456, mean_ms: 0.313 }));
        assert_eq!(parse("pgbench: error: no"), None);
    }
}
