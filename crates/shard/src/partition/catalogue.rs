//! Partitions as the catalogue has them, and how new ones get there.

use jiff::tz::TimeZone;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::period::Partition;
use super::{Ranges, Span};

/// Only one session at a time makes partitions of a database: two that race would overlap.
pub(super) const CREATION_LOCK: i64 = 0x666f_7265_0001;

/// Every new table, its indexes and its TOAST table take locks until the end of the transaction, and the server's lock
/// table is small.
const PER_TRANSACTION: usize = 32;

/// A partition is hollow where at least this number of rows was deleted since it was made, and at least one in `HOLLOW_PART` of all.
const HOLLOW_ROWS: i64 = 1000;
const HOLLOW_PART: i64 = 5;

/// The ranges that a table's partitions hold.
pub(crate) async fn read_ranges(connection: &mut PgConnection, table: &str) -> Result<Ranges, sqlx::Error> {
    // The bounds are printed and read in one session, so its time zone and date style do not matter. MINVALUE, MAXVALUE
    // and the infinities become NULL.
    const SQL: &str = "with partition as ( \
            select pg_get_expr(c.relpartbound, c.oid) as bound from pg_inherits join pg_class c on c.oid = inhrelid \
            where inhparent = $1::regclass \
        ), edge as ( \
            select bound, substring(bound from 'FROM \\(''([^'']*)''\\)')::timestamptz as low, \
                substring(bound from 'TO \\(''([^'']*)''\\)')::timestamptz as high from partition \
        ) \
        select bound = 'DEFAULT' as is_default, \
            case when isfinite(low) then (extract(epoch from low) * 1000000)::int8 end as low, \
            case when isfinite(high) then (extract(epoch from high) * 1000000)::int8 end as high \
        from edge";
    let rows = sqlx::query(SQL).bind(table).fetch_all(connection).await?;
    let mut has_default = false;
    let mut spans = Vec::with_capacity(rows.len());
    for row in rows {
        if row.try_get::<Option<bool>, _>("is_default")?.unwrap_or_default() {
            has_default = true;
        } else {
            let edge = |name| row.try_get::<Option<i64>, _>(name);
            spans.push(Span { from: edge("low")?.unwrap_or(i64::MIN), to: edge("high")?.unwrap_or(i64::MAX) });
        }
    }
    Ok(Ranges::new(spans, has_default))
}

/// Makes partitions of a table that hold the wanted slots, as far as nothing else holds them. Returns the ranges that the table
/// then has, and how many partitions are new.
///
/// A table is made by itself and attached: that takes a lock on the parent which neither readers nor writers wait for,
/// where `create table … partition of` would stop them all.
pub(crate) async fn create(
    connection: &mut PgConnection,
    table: &str,
    wanted: &[Span],
) -> Result<(Ranges, usize), sqlx::Error> {
    let mut created = 0;
    for chunk in wanted.chunks(PER_TRANSACTION) {
        let mut transaction = connection.begin().await?;
        sqlx::query("select pg_advisory_xact_lock($1)").bind(CREATION_LOCK).execute(&mut *transaction).await?;
        let mut ranges = read_ranges(&mut transaction, table).await?;
        for &slot in chunk {
            for gap in ranges.gaps(slot) {
                create_one(&mut transaction, table, slot, gap).await?;
                ranges.insert(gap);
                created += 1;
            }
        }
        transaction.commit().await?;
    }
    Ok((read_ranges(connection, table).await?, created))
}

/// The partitions of a table, with their sizes where those are asked for; `None` where there is a default one, next to which
/// nothing can be attached without a look at all of its rows.
pub(super) async fn read_partitions(
    connection: &mut PgConnection,
    table: &str,
    with_bytes: bool,
) -> Result<Option<Vec<Partition>>, sqlx::Error> {
    const SQL: &str = "with edge as ( \
            select c.oid, c.relkind, pg_get_expr(c.relpartbound, c.oid) as bound \
            from pg_inherits join pg_class c on c.oid = inhrelid where inhparent = $1::regclass \
        ), limits as ( \
            select *, substring(bound from 'FROM \\(''([^'']*)''\\)')::timestamptz as low, \
                substring(bound from 'TO \\(''([^'']*)''\\)')::timestamptz as high from edge \
        ) \
        select oid::int8 as oid, oid::regclass::text as name, relkind = 'r' as is_plain, bound = 'DEFAULT' as is_default, \
            case when $2 then coalesce(pg_total_relation_size(oid), 0) else 0 end as bytes, \
            $2 and exists (select from pg_stat_all_tables t where t.relid = oid and t.n_tup_del >= $3 and t.n_tup_del * $4 >= t.n_live_tup + t.n_tup_del) as is_hollow, \
            case when isfinite(low) then (extract(epoch from low) * 1000000)::int8 end as low, \
            case when isfinite(high) then (extract(epoch from high) * 1000000)::int8 end as high \
        from limits order by low nulls first";
    let rows = sqlx::query(SQL)
        .bind(table)
        .bind(with_bytes)
        .bind(HOLLOW_ROWS)
        .bind(HOLLOW_PART)
        .persistent(false)
        .fetch_all(connection)
        .await?;
    let mut partitions = Vec::with_capacity(rows.len());
    for row in rows {
        if row.try_get::<Option<bool>, _>("is_default")?.unwrap_or(true) {
            return Ok(None);
        }
        let edge = |name| row.try_get::<Option<i64>, _>(name);
        let span = Span { from: edge("low")?.unwrap_or(i64::MIN), to: edge("high")?.unwrap_or(i64::MAX) };
        partitions.push(Partition {
            oid: row.try_get("oid")?,
            name: row.try_get("name")?,
            span,
            is_plain: row.try_get("is_plain")?,
            bytes: row.try_get::<i64, _>("bytes")?.unsigned_abs(),
            is_hollow: row.try_get("is_hollow")?,
        });
    }
    Ok(Some(partitions))
}

/// Names and bounds are made of digits only, so they are safe in the text of a statement.
async fn create_one(connection: &mut PgConnection, table: &str, slot: Span, gap: Span) -> Result<(), sqlx::Error> {
    let name = free_name(connection, &name_of(table, slot, gap)).await?;
    let create = format!("create table {name} (like {table} including all)");
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *connection).await?;
    take_over_statistics(connection, table, &name).await?;
    let (from, to) = (literal(gap.from), literal(gap.to));
    let attach = format!("alter table {table} attach partition {name} for values from ({from}) to ({to})");
    sqlx::raw_sql(AssertSqlSafe(attach)).execute(connection).await?;
    Ok(())
}

/// Lets as much be known about the columns of a new table as about those of the one that it is like, which `like` leaves out.
pub(super) async fn take_over_statistics(
    connection: &mut PgConnection,
    from: &str,
    to: &str,
) -> Result<(), sqlx::Error> {
    // Where nothing is set, it is -1 or, from Postgres 17 on, NULL.
    const SQL: &str = "with columns as (select * from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped) \
        select string_agg(format('alter column %I set %s', attname, set), ', ') from ( \
            select attname, format('statistics %s', attstattarget) as set from columns where attstattarget >= 0 union all \
            select attname, format('(%s)', array_to_string(attoptions, ', ')) from columns where attoptions is not null) as all_set";
    let targets: Option<String> = sqlx::query_scalar(SQL).bind(from).fetch_one(&mut *connection).await?;
    if let Some(targets) = targets {
        sqlx::raw_sql(AssertSqlSafe(format!("alter table {to} {targets}"))).execute(connection).await?;
    }
    Ok(())
}

/// A table of that name may be there: a partition that somebody has detached to keep it elsewhere.
pub(super) async fn free_name(connection: &mut PgConnection, wanted: &str) -> Result<String, sqlx::Error> {
    let mut name = wanted.to_owned();
    let mut copy = 1;
    while sqlx::query_scalar("select to_regclass($1) is not null").bind(&name).fetch_one(&mut *connection).await? {
        copy += 1;
        name = format!("{wanted}_{copy}");
    }
    Ok(name)
}

/// `orders_20250630`; the hour and the month are written as they are needed; what fills a gap says both ends.
pub(super) fn name_of(table: &str, slot: Span, gap: Span) -> String {
    let at = |us: i64, format: &str| {
        let instant = jiff::Timestamp::from_microsecond(us).unwrap_or_default();
        instant.to_zoned(TimeZone::UTC).strftime(format).to_string()
    };
    if gap != slot {
        return format!("{table}_{}_{}", at(gap.from, "%Y%m%d%H%M%S"), at(gap.to, "%Y%m%d%H%M%S"));
    }
    let format = match (slot.to - slot.from) / 3_600_000_000 {
        1 => "%Y%m%d_%H",
        24 => "%Y%m%d",
        hours if hours < 24 * 365 => "%Y%m",
        _ => "%Y",
    };
    format!("{table}_{}", at(slot.from, format))
}

/// An instant as a literal, to the microsecond.
pub(super) fn literal(us: i64) -> String {
    match jiff::Timestamp::from_microsecond(us) {
        Ok(instant) => instant.to_zoned(TimeZone::UTC).strftime("'%Y-%m-%d %H:%M:%S%.6f+00'").to_string(),
        Err(_) if us < 0 => "minvalue".to_owned(),
        Err(_) => "maxvalue".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Granularity;
    use forebay_model::Timestamp;

    fn us(text: &str) -> i64 {
        Timestamp::parse(text).unwrap().unix_us()
    }

    #[test]
    fn names_say_what_a_partition_holds() {
        let at = Timestamp::parse("2025-06-30T12:30:00Z").unwrap();
        let name = |granularity: Granularity| {
            let slot = granularity.slot(at);
            name_of("orders", slot, slot)
        };
        assert_eq!(name(Granularity::Month), "orders_202506");
        assert_eq!(name(Granularity::Day), "orders_20250630");
        assert_eq!(name(Granularity::Hour), "orders_20250630_12");
        let slot = Granularity::Day.slot(at);
        let gap = Span { from: us("2025-06-30T13:00:00Z"), to: slot.to };
        assert_eq!(name_of("order_views", slot, gap), "order_views_20250630130000_20250701000000");
        assert_eq!(literal(us("2025-06-30T13:00:00.000001Z")), "'2025-06-30 13:00:00.000001+00'");
    }
}
