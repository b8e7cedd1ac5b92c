//! The SQL of one lane, made once from the lane's columns.

use forebay_model::Lane;

use crate::place::{self, Place};
use crate::sum_table::SumTable;

/// The staging table of a session for the times of orders, as the one for facts.
const CREATE_STAGED_TIMES: &str = "create temporary table staged_time \
    (n int8 generated always as identity (cache 1000) primary key, like order_time) on commit delete rows";

/// Every statement that touches a lane's table.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    /// Straight into the table.
    pub(crate) copy: String,
    /// The staging table of a session, emptied by every commit. Its rows are numbered in the order of the log.
    pub(crate) create_staged: String,
    /// The staging table of a session that only compares: it is read from end to end, so it has no index.
    pub(crate) create_compared: String,
    /// Into the staging table.
    pub(crate) copy_staged: String,
    /// From there into the table, as far as the identities are new, and with orders into the sums. The first in the log wins. It gives how
    /// many were new.
    pub(crate) insert_staged: String,
    /// The same for copies. The sums of orders are those of the units that the shard owns, and it does not own these yet.
    pub(crate) insert_copied: String,
    /// The staged rows that are not in the table, or there with other content: number (from 0), and the time of the fact that
    /// was first.
    pub(crate) conflicts: String,
    /// The numbers (from 0, rising) of the staged rows that are in the table as they are, and were not put there from the staging
    /// table: as an array.
    pub(crate) duplicates: String,
    /// The staged rows that are not in the table, or there with other content: number (from 0), fact, and stored fact.
    pub(crate) differences: String,
    /// Puts conflicts into the dead letters, with both contents.
    pub(crate) bury_conflicts: String,
}

impl Statements {
    pub(crate) fn new(lane: Lane) -> Self {
        let (table, staged) = (lane.table(), format!("staged_{lane}"));
        let mut columns = joined(lane.columns().iter().map(|column| column.name), "", ", ");
        if place::is_kept(lane) {
            columns = format!("{columns}, {}", Place::COLUMNS);
        }
        let is_content = |column: &&str| !lane.identity().contains(column);
        let content = || lane.columns().iter().map(|column| column.name).filter(is_content);
        let at = |time: &str| {
            let same = |column: &str| match column {
                "ordered_at" => format!("o.ordered_at = {time}"),
                column => format!("o.{column} = s.{column}"),
            };
            lane.identity().iter().map(|column| same(column)).collect::<Vec<_>>().join(" and ")
        };
        let (ours, theirs) = (joined(content(), "s.", ", "), joined(content(), "o.", ", "));
        // The bounds leave out every partition that the batch has nothing for.
        let within = if lane.is_partitioned_by_time() { " and o.ordered_at between $1 and $2" } else { "" };
        let is_missing = format!("o.{} is null", lane.identity()[0]);
        let different = format!(
            "from {staged} s left join {table} o on {}{within} where {is_missing} or ({ours}) is distinct from ({theirs})",
            at("s.ordered_at")
        );
        let time = lane.columns()[lane.spec().time].name;
        let (create_times, unless, first_at, returned) = match lane {
            Lane::Orders => (
                CREATE_STAGED_TIMES,
                NOWHERE_ELSE,
                format!("case when {is_missing} then {FIRST_AT} else s.ordered_at end"),
                "tenant, ordered_at, kind, currency, total, true as counts",
            ),
            Lane::Views => (
                "",
                "",
                format!("s.{time}"),
                "bucket, tenant, view, key, ordered_at, kind, currency, subtotal as total, items <> '[]'::jsonb as counts",
            ),
            Lane::Events | Lane::Index | Lane::ViewEvents => ("", "", format!("s.{time}"), "1"),
        };
        let summed = SumTable::of(lane).map(summed).unwrap_or_default();
        Self {
            copy: format!("copy {table} ({columns}) from stdin (format binary)"),
            create_staged: format!(
                "create temporary table {staged} (n int8 generated always as identity (cache 1000) primary key, \
                 like {table} including defaults) on commit delete rows; {create_times}"
            ),
            create_compared: format!(
                "create temporary table {staged} (n int8 generated always as identity (cache 1000), \
                 like {table} including defaults) on commit delete rows"
            ),
            copy_staged: format!("copy {staged} ({columns}) from stdin (format binary)"),
            insert_staged: format!(
                "with stored as (insert into {table} ({columns}) select {columns} from {staged} s {unless} order by n \
                    on conflict do nothing returning {returned}){summed} select count(*) from stored"
            ),
            insert_copied: format!(
                "with stored as (insert into {table} ({columns}) select {columns} from {staged} s order by n \
                    on conflict do nothing returning {returned}){} select count(*) from stored",
                if lane == Lane::Orders { "" } else { summed.as_str() }
            ),
            conflicts: format!("select s.n - (select min(n) from {staged}), {first_at} {different} order by 1"),
            duplicates: duplicates(
                lane,
                &format!(
                    "from {staged} s join {table} o on {}{within} where ({ours}) is not distinct from ({theirs})",
                    at("s.ordered_at")
                ),
            ),
            differences: format!(
                "select s.n - (select min(n) from {staged}), {}::text, {}::text {different} order by 1",
                fact("s"),
                fact("o")
            ),
            bury_conflicts: bury(
                &staged,
                time,
                &format!("select {} from {table} o where {}{within}", fact("o"), at("first_at")),
            ),
        }
    }
}

/// Leaves out staged orders whose customer has an order with the same id at another time.
const NOWHERE_ELSE: &str = "where not exists (select from order_time t \
    where t.bucket = s.bucket and t.tenant = s.tenant and t.order_id = s.order_id and t.customer_id = s.customer_id \
        and t.ordered_at <> s.ordered_at)";

/// Adds what was stored to the sums by the hour or day.
fn summed(table: SumTable) -> String {
    let SumTable { of, since, .. } = table;
    let rows = format!(
        "select {of}, count(*), sum(total) \
         from (select *, date_trunc('{since}', ordered_at, 'UTC') as {since} from stored where counts) as counted group by {of}"
    );
    format!(", summed as ({})", table.add(&rows))
}

/// The time of the order that has a staged order's customer and id.
const FIRST_AT: &str = "(select t.ordered_at from order_time t where t.bucket = s.bucket and t.tenant = s.tenant \
        and t.order_id = s.order_id and t.customer_id = s.customer_id)";

/// A row that this transaction has put into the table has its number, and of staged rows with one identity the first was put there.
fn duplicates(lane: Lane, same: &str) -> String {
    let identity = joined(lane.identity().iter().copied(), "s.", ", ");
    format!(
        "select coalesce(array_agg(n - (select min(n) from staged_{lane}) order by n), '{{}}') from (\
            select s.n, o.xmin = pg_current_xact_id()::xid and s.n = min(s.n) over (partition by {identity}) as is_new {same}\
        ) as there where not is_new"
    )
}

/// Puts staged rows into the dead letters, with what was `stored` first. An order may be gone since, with its partition.
fn bury(staged: &str, time: &str, stored: &str) -> String {
    let content = fact("s");
    format!(
        "insert into dead_letter (lane, incarnation, stream_seq, row_in_frame, rows, reason, detail, tenant, customer_id, \
            order_id, ordered_at, tuple, content, stored, epoch, enqueued_at, request) \
        select $3, $4, seq, row, 1, 'conflict', \
            case first_at when s.{time} then 'a fact with this identity and other content was stored before' \
                else 'the customer''s order with this id was stored before, with another time' end, \
            s.tenant, s.customer_id, s.order_id, s.{time}, tuple, {content}, coalesce(({stored}), \
                jsonb_build_object('tenant', s.tenant, 'customer_id', s.customer_id, 'order_id', s.order_id, 'ordered_at', first_at)), \
            epoch, enqueued_at, request \
        from unnest($5::int8[], $6::timestamptz[], $7::int8[], $8::int4[], $9::bytea[], $10::int8[], $11::timestamptz[], $12::bytea[]) \
            as place(n, first_at, seq, row, tuple, epoch, enqueued_at, request) \
            join {staged} s on s.n = place.n + (select min(n) from {staged}) \
        on conflict (lane, incarnation, stream_seq, row_in_frame) do nothing"
    )
}

/// A row as a JSON object by column, with the columns that its tuple has.
fn fact(row: &str) -> String {
    format!("(to_jsonb({row}) - array['n', 'place_log', 'place_seq', 'status', 'amended', 'has_items'])")
}

fn joined<'a>(names: impl Iterator<Item = &'a str>, prefix: &str, separator: &str) -> String {
    names.map(|name| format!("{prefix}{name}")).collect::<Vec<_>>().join(separator)
}
