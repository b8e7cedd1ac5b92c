//! The tables of all shards as those of one database, for questions over all of them: SQL that makes them there, by `postgres_fdw`.

use std::fmt::Write as _;

use forebay_model::ShardId;
use percent_encoding::percent_decode_str;
use sqlx::ConnectOptions;
use sqlx::postgres::PgSslMode;

use super::address::ShardAddress;
use super::list::ShardList;

/// What docs/SQL.md tells of.
const RELATIONS: [&str; 13] = [
    "orders",
    "order_events",
    "view_events",
    "order_sums",
    "view_sums",
    "order_views",
    "order_index",
    "dead_letter",
    "lane_tally",
    "view_in_force",
    "order_items",
    "revenue_by_day",
    "buckets_elsewhere",
];

/// The schema in which they are one.
const SCHEMA: &str = "forebay";

impl ShardList {
    /// SQL that makes, in the database in which it is run, the schema `forebay`: a view for each table and view that is for people, with the rows of
    /// all shards, and in front of each row its `shard`. Reads only. Run again it makes the same views lead to the shards that are named
    /// then; what others have made of them, or beside them, stays. It holds the passwords of the addresses.
    pub fn foreign_tables(&self) -> String {
        let mut sql =
            "begin;\nset local client_min_messages = warning;\ncreate extension if not exists postgres_fdw;\n"
                .to_owned();
        for (shard, addresses) in self.iter() {
            // Of several servers of a shard the first is the primary.
            if let Some(address) = addresses.iter().next() {
                push_server(&mut sql, &of_shard(shard), address);
            }
        }
        // Writing to a text does not fail.
        let _ = writeln!(sql, "create schema if not exists {SCHEMA};");
        for relation in RELATIONS {
            let rows = |shard| format!("select {shard} as shard, * from {}.{relation}", of_shard(shard));
            let all: Vec<String> = self.iter().map(|(shard, _)| rows(shard)).collect();
            let _ = writeln!(sql, "create or replace view {SCHEMA}.{relation} as {};", all.join(" union all "));
        }
        for (shard, _) in self.iter() {
            push_drop_before(&mut sql, &of_shard(shard));
        }
        sql + "commit;\n"
    }
}

/// What a shard's server, and the schema of its tables, are called.
fn of_shard(shard: ShardId) -> String {
    format!("{SCHEMA}_shard_{shard}")
}

/// Drops what was made before, to which no view leads any more. What somebody else has made of it keeps it: then all stays as it was.
fn push_drop_before(sql: &mut String, name: &str) {
    let tables = RELATIONS.map(|relation| format!("{name}_before.{relation}")).join(", ");
    let _ = writeln!(
        sql,
        "drop foreign table if exists {tables};\ndrop schema if exists {name}_before;\n\
         drop user mapping if exists for current_user server {name}_before;\ndrop server if exists {name}_before;"
    );
}

/// Makes a shard's server, and its tables in a schema, both of that name.
fn push_server(sql: &mut String, name: &str, address: &ShardAddress) {
    let options = address.options();
    let host =
        options.get_socket().map_or_else(|| options.get_host().to_owned(), |socket| socket.display().to_string());
    let mut server = vec![
        ("host", host),
        ("port", options.get_port().to_string()),
        ("dbname", options.get_database().unwrap_or_default().to_owned()),
        ("updatable", "false".to_owned()),
        ("async_capable", "true".to_owned()),
        ("fetch_size", "10000".to_owned()),
    ];
    server.extend(ssl_mode(options.get_ssl_mode()).map(|mode| ("sslmode", mode.to_owned())));
    let mut user = vec![("user", options.get_username().to_owned())];
    let url = options.to_url_lossy();
    user.extend(url.password().map(|text| ("password", percent_decode_str(text).decode_utf8_lossy().into_owned())));
    let relations = RELATIONS.join(", ");
    for statement in [
        format!(
            "do $$ begin if to_regnamespace('{name}') is not null then \
                alter schema {name} rename to {name}_before; alter server {name} rename to {name}_before; \
             end if; end $$"
        ),
        format!("create server {name} foreign data wrapper postgres_fdw options ({})", written(&server)),
        format!("create user mapping for current_user server {name} options ({})", written(&user)),
        format!("create schema {name}"),
        format!("import foreign schema public limit to ({relations}) from server {name} into {name}"),
    ] {
        *sql += &statement;
        *sql += ";\n";
    }
}

/// How encryption is asked for, where that is not what a client does anyway.
fn ssl_mode(mode: PgSslMode) -> Option<&'static str> {
    match mode {
        PgSslMode::Disable => Some("disable"),
        PgSslMode::Allow => Some("allow"),
        PgSslMode::Prefer => None,
        PgSslMode::Require => Some("require"),
        PgSslMode::VerifyCa => Some("verify-ca"),
        PgSslMode::VerifyFull => Some("verify-full"),
    }
}

fn written(options: &[(&str, String)]) -> String {
    let options = options.iter().map(|(name, value)| format!("{name} '{}'", value.replace('\'', "''")));
    options.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_says_stands_in_the_server_and_its_user() {
        let shards: ShardList =
            "postgres://o'n:p%20'w@h.example:5/d?sslmode=require,postgres://u@127.0.0.1/d".parse().unwrap();
        let sql = shards.foreign_tables();
        assert!(sql.contains("host 'h.example', port '5', dbname 'd'") && sql.contains("sslmode 'require'"), "{sql}");
        assert!(sql.contains("(user 'o''n', password 'p ''w')") && sql.contains("(user 'u')"), "{sql}");
        assert_eq!(sql.matches("sslmode").count(), 1, "{sql}");
    }
}
