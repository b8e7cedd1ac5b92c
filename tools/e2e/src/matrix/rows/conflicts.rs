//! Orders with ids that are taken: each is accepted, becomes a dead letter, and leaves nothing in index and views.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use forebay_model::Lane;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::audit::known::KnownDeadLetter;
use crate::audit::stored::Stored;
use crate::load::ledger::Outcome;
use crate::load::maker::{Made, Maker};
use crate::matrix::trial::Trial;

const ROUNDS: usize = 40;
const WITHIN: Duration = Duration::from_secs(30);
const LETTERS: &str = "select count(*) from dead_letter where reason = 'conflict'";

/// Sends pairs of orders with one id: the second with another time, or with other items.
pub(crate) async fn conflict(trial: &mut Trial) -> Result<()> {
    let mut maker = Maker::new("conflict", StdRng::from_rng(&mut trial.rng));
    let mut seconds = HashSet::new();
    for _ in 0..trial.span.rounds() * ROUNDS {
        let first = maker.make(true);
        let second = second(&first, maker.make(true), trial.rng.random());
        seconds.insert(second.mark.clone());
        for made in [first, second] {
            trial.ledger.sending(std::slice::from_ref(&made))?;
            let (status, answer) = trial.system.post(&made.json).await?;
            if status != 202 {
                trial.add_finding(format!("an order was answered by {status}: {answer}"));
            }
            let outcome = if status == 202 { Outcome::Accepted } else { Outcome::Unknown };
            trial.ledger.settle(&made.mark, outcome)?;
        }
        trial.injected += 1;
    }
    let count = seconds.len() as i64;
    trial
        .must("conflicts become dead letters", WITHIN, async |system| match system.sum(LETTERS).await {
            Ok(letters) if letters == count => Ok(()),
            letters => Err(format!("{letters:?} of {count}")),
        })
        .await;
    for shard in 0..trial.system.stack.postgres_count() {
        for letter in Stored::read(&trial.system, shard).await?.dead {
            let is_second = letter.mark.as_ref().is_some_and(|mark| seconds.contains(mark));
            if letter.lane != Lane::Orders || letter.reason != "conflict" || !is_second {
                trial.add_finding(format!("this should not have died: {letter:?}"));
            }
            let (lane, seq, reason) = (letter.lane, letter.seq, letter.reason);
            trial.known.dead_letters.push(KnownDeadLetter { shard, lane, seq, reason });
        }
    }
    Ok(())
}

/// Another order under the id of the first: at its time or at another one, with other items in any case.
fn second(first: &Made, mut second: Made, is_at_its_time: bool) -> Made {
    if is_at_its_time {
        second.at = first.at;
        second.json["timestamp"] = first.json["timestamp"].clone();
    }
    second.customer_id.clone_from(&first.customer_id);
    second.order_id.clone_from(&first.order_id);
    for field in ["customer_id", "order_id"] {
        second.json[field] = first.json[field].clone();
    }
    second
}
