//! The table that is to take the place of a period's partitions, filled beside them.
//!
//! It stands under a name that no partition ever has, and gets its own only in the transaction that attaches it. So whatever
//! a crash leaves behind is known by its name, and a partition that somebody detached is never taken for it.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use forebay_model::Lane;

use super::catalogue::{free_name, literal, name_of, take_over_statistics};
use super::period::Period;

/// The range, as a check: with it, attaching the table needs no look at its rows.
pub(super) const RANGE_CHECK: &str = "merging_range";

/// A table that is being filled.
#[derive(Debug)]
pub struct Build {
    pub(super) period: Period,
    /// The name that it gets.
    pub(super) name: String,
    columns: String,
    order: String,
    indexes: Vec<Index>,
    /// How many pieces are done: partitions, then indexes, then the statistics.
    done: usize,
    rows: u64,
    /// The transactions that may have a snapshot from before it was filled. With such a snapshot its rows cannot be seen.
    pub(super) older: Vec<String>,
}

/// An index that every partition has.
#[derive(Debug)]
struct Index {
    name: String,
    /// What follows the table's name: method, columns and so on.
    definition: String,
    is_unique: bool,
    /// `primary key` or `unique`, where it belongs to a constraint.
    constraint: Option<&'static str>,
}

/// The name under which a lane's table is built.
pub(super) fn building(lane: Lane) -> String {
    format!("{}_merging", lane.table())
}

impl Build {
    /// Makes the empty table.
    pub(super) async fn begin(connection: &mut PgConnection, lane: Lane, period: Period) -> Result<Self, sqlx::Error> {
        let (table, building) = (lane.table(), building(lane));
        let name = free_name(connection, &name_of(table, period.span, period.span)).await?;
        let indexes = read_indexes(connection, table, &name).await?;
        let columns = read_columns(connection, table).await?;
        let (from, to) = (literal(period.span.from), literal(period.span.to));
        let create = format!(
            "create table {building} (like {table} including all excluding indexes, \
                constraint {RANGE_CHECK} check (ordered_at >= {from} and ordered_at < {to})) \
            with (autovacuum_enabled = false)"
        );
        execute(connection, create).await?;
        take_over_statistics(connection, table, &building).await?;
        let order = lane.identity().join(", ");
        Ok(Self { period, name, columns, order, indexes, done: 0, rows: 0, older: Vec::new() })
    }

    /// Does the next piece: the rows of a partition, in the order of their identity, so that each customer's lie together; an
    /// index; the statistics. Returns whether there was one.
    pub(super) async fn step(&mut self, connection: &mut PgConnection, lane: Lane) -> Result<bool, sqlx::Error> {
        let building = building(lane);
        let count = self.period.partitions.len();
        if let Some(partition) = self.period.partitions.get(self.done) {
            let (columns, order, from) = (&self.columns, &self.order, &partition.name);
            let copy = format!("insert into {building} ({columns}) select {columns} from only {from} order by {order}");
            self.rows += execute(connection, copy).await?;
        } else if let Some(index) = self.indexes.get(self.done - count) {
            index.create(connection, &building).await?;
        } else if self.done == count + self.indexes.len() {
            execute(connection, format!("analyze {building}")).await?;
            self.older = transactions(connection).await?;
        } else {
            return Ok(false);
        }
        self.done += 1;
        Ok(true)
    }

    /// The name of the partition that it becomes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many rows were copied.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many partitions it replaces.
    pub fn partitions(&self) -> usize {
        self.period.partitions()
    }
}

impl Index {
    async fn create(&self, connection: &mut PgConnection, building: &str) -> Result<(), sqlx::Error> {
        let Self { name, definition, is_unique, constraint } = self;
        let unique = if *is_unique { "unique " } else { "" };
        execute(connection, format!("create {unique}index {name} on {building}{definition}")).await?;
        if let Some(constraint) = constraint {
            execute(
                connection,
                format!("alter table {building} add constraint {name} {constraint} using index {name}"),
            )
            .await?;
        }
        Ok(())
    }
}

/// Drops what was being built, if there is any.
pub(super) async fn drop_leftover(connection: &mut PgConnection, lane: Lane) -> Result<(), sqlx::Error> {
    let building = building(lane);
    let exists = sqlx::query_scalar("select to_regclass($1) is not null").bind(&building).fetch_one(&mut *connection);
    if exists.await? {
        execute(connection, format!("drop table {building}")).await?;
    }
    Ok(())
}

/// The transactions of this database that run now, besides the session's own.
pub(super) async fn transactions(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    const SQL: &str = "select virtualtransaction from pg_locks join pg_stat_activity using (pid) \
        where locktype = 'virtualxid' and datname = current_database() and pid <> pg_backend_pid()";
    sqlx::query_scalar(SQL).fetch_all(connection).await
}

async fn read_columns(connection: &mut PgConnection, table: &str) -> Result<String, sqlx::Error> {
    const SQL: &str = "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute \
        where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''";
    sqlx::query_scalar(SQL).bind(table).fetch_one(connection).await
}

/// The indexes of the partitioned table. A partition that lacks one would get it while it is attached and everybody waits.
async fn read_indexes(connection: &mut PgConnection, table: &str, name: &str) -> Result<Vec<Index>, sqlx::Error> {
    const SQL: &str = "select i.relname, indisunique, contype::text as contype, \
            substring(pg_get_indexdef(indexrelid) from ' USING .*') as definition \
        from pg_index join pg_class i on i.oid = indexrelid left join pg_constraint on conindid = indexrelid \
        where indrelid = $1::regclass order by indisprimary desc, i.relname";
    let rows = sqlx::query(SQL).bind(table).fetch_all(connection).await?;
    let index = |row: &sqlx::postgres::PgRow| {
        let relname: &str = row.try_get("relname")?;
        let rest = relname.strip_prefix(table).unwrap_or(relname);
        let constraint = match row.try_get::<Option<&str>, _>("contype")? {
            Some("p") => Some("primary key"),
            Some("u") => Some("unique"),
            _ => None,
        };
        Ok(Index {
            name: format!("\"{name}_{}\"", rest.trim_start_matches('_').replace('"', "\"\"")),
            definition: row.try_get("definition")?,
            is_unique: row.try_get("indisunique")?,
            constraint,
        })
    };
    rows.iter().map(index).collect()
}

/// Runs one statement. Its names come from the catalogue, quoted where they must be, and its bounds are made of digits.
pub(super) async fn execute(connection: &mut PgConnection, statement: String) -> Result<u64, sqlx::Error> {
    Ok(sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?.rows_affected())
}
