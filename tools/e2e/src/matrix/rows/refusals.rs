//! Rows that Postgres refuses for what is in them, and that are put into the log again once the reason is gone.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use forebay_model::Lane;

use crate::audit::known::KnownDeadLetter;
use crate::audit::stored::Stored;
use crate::matrix::trial::Trial;

/// What a person may add to a table, and what Postgres calls a row that does not keep to it.
const REFUSE: &str = "alter table orders add constraint no_sevens check (total % 30 <> 7) not valid";
const REFUSE_NO_MORE: &str = "alter table orders drop constraint no_sevens";
/// What has died and is not stored since.
const NOT_STORED: &str = "select count(*) from dead_letter d where not exists \
    (select from orders o where (o.customer_id, o.order_id) = (d.customer_id, d.order_id))";
const CHECK_VIOLATION: &str = "23514";
/// How many rows are refused before the reason is taken away.
const LETTERS_MIN: usize = 3;
/// Each of them costs the lane several attempts in vain, and as many connections.
const WITHIN: Duration = Duration::from_mins(1);

/// Lets a shard refuse one in thirty of its orders, and requeues them.
pub(crate) async fn refuse(trial: &mut Trial, shard: usize) -> Result<()> {
    let refused_at = Instant::now();
    trial.system.stack.sql(shard, REFUSE).await?;
    trial.injected += 1;
    trial
        .must("rows are refused", WITHIN, async |system| {
            let stored = Stored::read(system, shard).await.map_err(|error| error.to_string())?;
            if stored.dead.len() >= LETTERS_MIN { Ok(()) } else { Err(format!("{} letters", stored.dead.len())) }
        })
        .await;
    trial.work(1000..3000).await;
    must_leave_nothing(trial, shard).await?;
    trial.system.stack.sql(shard, REFUSE_NO_MORE).await?;
    let requeued = note_letters(trial, shard).await?;
    for expected in [requeued, 0] {
        // The second time there is nothing left to do.
        let run = trial.system.forebay(&["dead", "requeue", "--reason", "refused", "--json"], b"").await?.ok()?;
        let count = run.json()?["requeued"].as_array().context("it says which were requeued")?.len();
        if count != expected {
            trial.add_finding(format!("{count} letters were requeued instead of {expected}"));
        }
    }
    trial
        .must("what was requeued is stored", WITHIN, async |system| {
            match system.stack.sql(shard, NOT_STORED).await.map_err(|error| error.to_string())?.trim() {
                "0" => Ok(()),
                rest => Err(format!("{rest} are not")),
            }
        })
        .await;
    trial.hidden = Some((shard, refused_at, Instant::now()));
    Ok(())
}

/// Nothing follows from what has died.
async fn must_leave_nothing(trial: &mut Trial, shard: usize) -> Result<()> {
    let letters = Stored::read(&trial.system, shard).await?.dead;
    let dead: HashSet<_> = letters.into_iter().map(|letter| (letter.customer_id, letter.order_id)).collect();
    for other in 0..trial.system.stack.postgres_count() {
        let stored = Stored::read(&trial.system, other).await?;
        let entries = stored.index.into_iter().map(|entry| (entry.customer_id, entry.order_id));
        let views = stored.views.into_iter().map(|view| (view.customer_id, view.order_id));
        for (customer_id, order_id) in entries.chain(views) {
            if dead.contains(&(Some(customer_id), Some(order_id.clone()))) {
                trial.add_finding(format!("{order_id} was refused, and is in index or views"));
            }
        }
    }
    Ok(())
}

/// Looks at each letter, and notes it as one that there must be. Gives how many there are.
async fn note_letters(trial: &mut Trial, shard: usize) -> Result<usize> {
    let entries = trial.ledger.entries();
    let letters = Stored::read(&trial.system, shard).await?.dead;
    for letter in &letters {
        let sent = letter.mark.as_ref().and_then(|mark| entries.get(mark));
        let is_refused = letter.reason == "refused" && letter.sqlstate.as_deref() == Some(CHECK_VIOLATION);
        if !is_refused || sent.is_none_or(|entry| entry.made.total() % 30 != 7) {
            trial.add_finding(format!("this should not have died: {letter:?}"));
            continue;
        }
        let (lane, reason, seq) = (Lane::Orders, "refused".to_owned(), letter.seq);
        trial.known.dead_letters.push(KnownDeadLetter { shard, lane, seq, reason });
    }
    Ok(letters.len())
}
