//! The SQL of one lane, made once from the lane's columns.

use std::fmt::Write;

use forebay_model::Lane;

/// Every statement that touches a lane's table.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    /// Straight into the table.
    pub(crate) copy: String,
    /// The staging table of a session, emptied by every commit. Its rows are numbered in the order of the log.
    pub(crate) create_staged: String,
    /// Into the staging table.
    pub(crate) copy_staged: String,
    /// From there into the table, as far as the identities are new. The first in the log wins.
    pub(crate) insert_staged: String,
    /// The numbers (from 0) of the staged rows whose stored fact has other content.
    pub(crate) conflicts: String,
    /// The staged rows that are not in the table, or there with other content: number (from 0), fact, and stored fact.
    pub(crate) differences: String,
    /// Puts conflicts into the dead letters, with both contents.
    pub(crate) bury_conflicts: String,
}

impl Statements {
    pub(crate) fn new(lane: Lane) -> Self {
        let table = lane.table();
        let columns = joined(lane.columns().iter().map(|column| column.name), "", ", ");
        let is_content = |column: &&str| !lane.identity().contains(column);
        let content = || lane.columns().iter().map(|column| column.name).filter(is_content);
        let same = lane.identity().iter().fold(String::new(), |mut sql, column| {
            let and = if sql.is_empty() { "" } else { " and " };
            let _ = write!(sql, "{and}o.{column} = s.{column}");
            sql
        });
        let (ours, theirs) = (joined(content(), "s.", ", "), joined(content(), "o.", ", "));
        // The bounds leave out every partition that the batch has nothing for.
        let within = if lane.is_partitioned_by_time() { " and o.ordered_at between $1 and $2" } else { "" };
        let (is_other, key) = (format!("({ours}) is distinct from ({theirs})"), lane.identity()[0]);
        let conflict = format!("from staged s join {table} o on {same}{within} where {is_other}");
        Self {
            copy: format!("copy {table} ({columns}) from stdin (format binary)"),
            create_staged: format!(
                "create temporary table staged (n int8 generated always as identity (cache 1000), like {table}) on commit delete rows"
            ),
            copy_staged: format!("copy staged ({columns}) from stdin (format binary)"),
            insert_staged: format!(
                "insert into {table} ({columns}) select {columns} from staged order by n on conflict do nothing"
            ),
            conflicts: format!("select s.n - (select min(n) from staged) {conflict} order by 1"),
            differences: format!(
                "select s.n - (select min(n) from staged), (to_jsonb(s) - 'n')::text, to_jsonb(o)::text \
                 from staged s left join {table} o on {same}{within} where o.{key} is null or {is_other} order by 1"
            ),
            bury_conflicts: bury(&conflict),
        }
    }
}

/// Puts what `conflict` joins into the dead letters.
fn bury(conflict: &str) -> String {
    format!(
        "with conflict as ( \
            select s.n - (select min(n) from staged) as n, s.customer_id, s.order_id, s.ordered_at, \
                to_jsonb(s) - 'n' as content, to_jsonb(o) as stored {conflict} \
        ) \
        insert into dead_letter (lane, incarnation, stream_seq, row_in_frame, rows, reason, detail, customer_id, order_id, \
            ordered_at, tuple, content, stored, epoch, enqueued_at) \
        select $3, $4, seq, row, 1, 'conflict', 'a fact with this identity and other content was stored before', \
            customer_id, order_id, ordered_at, tuple, content, stored, epoch, enqueued_at \
        from conflict join unnest($5::int8[], $6::int8[], $7::int4[], $8::bytea[], $9::int8[], $10::timestamptz[]) \
            as place(n, seq, row, tuple, epoch, enqueued_at) using (n) \
        on conflict (lane, incarnation, stream_seq, row_in_frame) do nothing"
    )
}

fn joined<'a>(names: impl Iterator<Item = &'a str>, prefix: &str, separator: &str) -> String {
    names.map(|name| format!("{prefix}{name}")).collect::<Vec<_>>().join(separator)
}
