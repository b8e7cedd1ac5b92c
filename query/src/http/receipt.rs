//! `GET /v1/receipts/{receipt}`: what became of a request.
//!
//! A receipt carries what the request was answered: its number, how many orders were accepted, and where they lie. The shards count
//! only what is not simply stored, so the rest of it is stored once the position of each shard has come to the receipt's. Position
//! and counts of a shard are of one snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use forebay_api::Route;
use forebay_api::receipt::{DeadOrder, ReceiptReport, ReceiptState};
use forebay_model::request::FATES_KEPT_US;
use forebay_model::{Accepted, Position, Receipt, ShardId, ShardMap, StreamKind, Timestamp};
use forebay_service::Problem;
use forebay_service::extract::Path;
use forebay_shard::read::{LETTERS_MAX, Loss, RequestFate, Scope, Statement};
use futures::FutureExt;
use futures::future::{join_all, try_join_all};
use http::{Uri, header};
use tokio::time::Instant;

use crate::app::App;
use crate::error::ReadError;
use crate::http::request::query_string::QueryString;
use crate::position::derivations::logged_parts;
use crate::position::patience::Patience;
use crate::reader::Reader;
use crate::replica::shard::Shard;

/// How far clocks of services and shards may be apart.
const CLOCKS_DIFFER_US: i64 = 60_000_000;

/// Where units have moved, it is known that something is derived once a shard has derived all that it has by now: under load that is never so at once.
const SETTLED_WITHIN: Duration = Duration::from_secs(1);

/// What became of a request.
pub(crate) async fn get_receipt(
    Reader { app, scope }: Reader,
    Path(receipt): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let receipt: Receipt = receipt.parse().map_err(|error| Problem::malformed(format!("that {error}")))?;
    let wait = QueryString::read(&uri, Route::GetReceipt)?.wait()?.unwrap_or_default();
    let accepted = receipt.accepted().ok_or_else(|| {
        Problem::malformed("these are the positions of an answer, and no receipt of a request: nothing became of them")
    })?;
    app.check_receipt(&receipt)?;
    if !scope.sees(accepted.request) {
        return Err(Problem::not_found("there is no such request of this client"));
    }
    check_age(accepted)?;
    check_shards(&*app.map()?, &receipt)?;
    let mut fates = read_all(&app, &scope, accepted, &receipt, Duration::ZERO).await?;
    if !wait.is_zero() && fates.iter().any(|fate| !fate.is_decided) {
        wait_for(&app, &receipt, wait).await?;
        fates = read_all(&app, &scope, accepted, &receipt, wait).await?;
    }
    let is_derived = fates.iter().all(|fate| fate.is_decided) && is_derived(&app, &receipt).await?;
    let body = serde_json::to_vec(&report(accepted, fates, is_derived)?);
    let body = body.map_err(|error| Problem::internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// What became of the part of a request that one shard has.
struct FateOnShard {
    shard: ShardId,
    /// Whether all of it is decided.
    is_decided: bool,
    fate: RequestFate,
}

/// What a shard has counted is forgotten after a while, and what is not counted would seem to be stored.
fn check_age(accepted: Accepted) -> Result<(), Problem> {
    let arrived_at = accepted.request.arrived_at();
    if arrived_at > Timestamp::now().plus_us(-FATES_KEPT_US) {
        return Ok(());
    }
    let days = FATES_KEPT_US / 86_400_000_000;
    Err(Problem::receipt_gone(format!("the request is of {arrived_at}: what became of it is told for {days} days")))
}

/// What a shard has counted goes with it.
fn check_shards(map: &ShardMap, receipt: &Receipt) -> Result<(), Problem> {
    let Some((shard, _)) = logged_parts(receipt).find(|(shard, _)| map.gone(*shard).is_some()) else { return Ok(()) };
    let why = format!("the request was logged on shard {shard}, which was removed: what became of it is told no more");
    Err(Problem::receipt_gone(why).with("shard", shard.0))
}

async fn read_all(
    app: &App,
    scope: &Scope,
    accepted: Accepted,
    receipt: &Receipt,
    wait: Duration,
) -> Result<Vec<FateOnShard>, Problem> {
    let (parts, is_way_known) = parts(app, receipt, wait).await?;
    let read = parts.into_iter().map(async |(shard, target)| {
        let fate = read(&*app.shards().get(shard)?, scope, accepted).await?;
        let is_decided = is_decided(&fate, shard, target, accepted.request.arrived_at())? && is_way_known;
        Ok::<_, ReadError>(FateOnShard { shard, is_decided, fate })
    });
    Ok(try_join_all(read).await?)
}

/// Where the parts of a request are decided: where they were logged, and, where units have moved, wherever any rows were sent on to from there; and whether none of
/// them is on its way, or waits.
async fn parts(app: &App, receipt: &Receipt, wait: Duration) -> Result<(BTreeMap<ShardId, Position>, bool), ReadError> {
    let logged: BTreeMap<ShardId, Position> = logged_parts(receipt).collect();
    if !app.shards().moved().is_any() {
        return Ok((logged, true));
    }
    match app.shards().decided(StreamKind::Logged, logged.clone(), Instant::now() + wait).await {
        Ok(decided) => Ok((decided, true)),
        Err(ReadError::NotYetVisible { .. }) => Ok((logged, false)),
        Err(error) => Err(error),
    }
}

async fn read(
    shard: &Shard,
    scope: &Scope,
    Accepted { request, pieces, .. }: Accepted,
) -> Result<RequestFate, ReadError> {
    let fate = shard
        .with_connection("receipt", &|connection| {
            let scope = scope.clone();
            async move { RequestFate::read(connection, &scope, request, pieces).await }.boxed()
        })
        .await?;
    Ok(fate)
}

/// Whether everything up to a position was decided when a fate was read, of a request that arrived then.
///
/// # Errors
/// The problem `receipt_gone` where nobody knows: the stream is another one, or went on without something that it had lost.
fn is_decided(fate: &RequestFate, shard: ShardId, target: Position, arrived_at: Timestamp) -> Result<bool, Problem> {
    let concerns = |loss: &&Loss| {
        let was_read_once = loss.before.covers(target) && loss.after == loss.before.incarnation;
        loss.accepted_at.plus_us(CLOCKS_DIFFER_US) > arrived_at && !was_read_once
    };
    let gone = |why: &str| {
        let seq = target.seq;
        Problem::receipt_gone(format!("the receipt names frame {seq} of the log of shard {shard}, and {why}"))
            .with("shard", shard.0)
    };
    if fate.losses.iter().any(|loss| concerns(&loss)) {
        return Err(gone("that log has lost something since the request"));
    }
    match fate.position {
        Some(position) if position.covers(target) => Ok(true),
        Some(position) if position.incarnation > target.incarnation => Err(gone("that log is not there any more")),
        _ => Ok(false),
    }
}

/// Waits until every shard has come to the receipt, or the time is over.
async fn wait_for(app: &App, receipt: &Receipt, wait: Duration) -> Result<(), Problem> {
    let patience = Patience::new(receipt.clone(), wait);
    let statement = Statement::position(StreamKind::Logged);
    let wait = logged_parts(receipt).map(async |(shard, _)| {
        match app.shards().read_after(&*app.shards().get(shard)?, &statement, &patience).await {
            Ok(_) | Err(ReadError::NotYetVisible { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    });
    Ok(try_join_all(wait).await.map(drop)?)
}

/// Whether every shard has what follows: what a read with the receipt waits for.
async fn is_derived(app: &App, receipt: &Receipt) -> Result<bool, Problem> {
    let map = app.map()?;
    if app.shards().moved().is_any() {
        let patience = Patience::new(receipt.clone(), SETTLED_WITHIN);
        return match app.shards().settle(StreamKind::Derived, &patience).await {
            Ok(_) => Ok(true),
            Err(ReadError::NotYetVisible { .. } | ReadError::NotYetDerived { .. }) => Ok(false),
            Err(ReadError::Shard(error)) if error.is_outage() => Ok(false),
            Err(error) => Err(error.into()),
        };
    }
    let patience = Patience::new(receipt.clone(), Duration::ZERO);
    let statement = Statement::position(StreamKind::Derived);
    let targets: Vec<Arc<Shard>> =
        map.shards().map(|shard| app.shards().get(shard)).collect::<Result<_, _>>().map_err(ReadError::from)?;
    let reads = join_all(targets.iter().map(|target| app.shards().read_after(target, &statement, &patience))).await;
    for read in reads {
        match read {
            Ok(_) => {}
            // A shard that is down has no say in what became of the orders.
            Err(ReadError::NotYetVisible { .. } | ReadError::NotYetDerived { .. }) => return Ok(false),
            Err(ReadError::Shard(error)) if error.is_outage() => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

fn report(accepted: Accepted, fates: Vec<FateOnShard>, is_derived: bool) -> Result<ReceiptReport, Problem> {
    let sum = |of: fn(&RequestFate) -> u64| fates.iter().map(|part| of(&part.fate)).sum::<u64>();
    let (duplicate, dead_in_all) = (sum(|fate| fate.duplicate), sum(|fate| fate.dead));
    let is_decided = fates.iter().all(|part| part.is_decided);
    let rest = accepted.orders.checked_sub(duplicate + dead_in_all);
    if is_decided && rest.is_none() {
        // Nobody was given it so: more became of its orders than it has.
        return Err(Problem::malformed("that is not a receipt that Forebay gave"));
    }
    let mut dead_by_reason = BTreeMap::new();
    let mut dead = Vec::new();
    for FateOnShard { shard, fate, .. } in fates {
        for (reason, letters) in fate.reasons {
            *dead_by_reason.entry(reason).or_default() += letters;
        }
        dead.extend(fate.letters.into_iter().map(|letter| DeadOrder {
            order_id: letter.order_id,
            reason: letter.reason,
            letter: format!("{shard}/{}", letter.letter),
        }));
    }
    dead.truncate(LETTERS_MAX);
    Ok(ReceiptReport {
        state: if is_decided { ReceiptState::Stored } else { ReceiptState::Logged },
        accepted: accepted.orders,
        stored: rest.filter(|_| is_decided),
        duplicate,
        dead_in_all,
        dead_by_reason,
        dead,
        derived: is_derived,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::Incarnation;

    #[test]
    fn only_what_is_known_to_be_decided_counts_as_decided() {
        let at = |incarnation, seq| Position { incarnation: Incarnation::new(incarnation), seq };
        let arrived_at = Timestamp::from_unix_us(1_750_000_000_000_000);
        let decided = |position: Option<Position>, losses: &[Loss]| {
            let fate = RequestFate { position, losses: losses.to_vec(), ..RequestFate::default() };
            is_decided(&fate, ShardId(0), at(5, 10), arrived_at).map_err(|problem| problem.code().as_str())
        };
        let loss = |before, after, hours: i64| {
            let accepted_at = arrived_at.plus_us(hours * 3_600_000_000);
            Loss { before, after: Incarnation::new(after), accepted_at }
        };
        assert_eq!(decided(None, &[]), Ok(false));
        assert_eq!([9, 10, 11].map(|seq| decided(Some(at(5, seq)), &[])), [Ok(false), Ok(true), Ok(true)]);
        assert_eq!(decided(Some(at(4, 99)), &[]), Ok(false), "its log was made anew, and somebody will have to decide");
        assert_eq!(decided(Some(at(6, 99)), &[]), Err("receipt_gone"));
        // It was passed over, or may have been; it was read before the loss; the loss was before the request; it was read twice.
        assert_eq!(decided(Some(at(5, 11)), &[loss(at(5, 9), 5, 1)]), Err("receipt_gone"));
        assert_eq!(decided(Some(at(5, 11)), &[loss(at(5, 10), 5, 1)]), Ok(true));
        assert_eq!(decided(Some(at(5, 11)), &[loss(at(5, 9), 5, -1), loss(at(4, 9), 5, -2)]), Ok(true));
        assert_eq!(decided(Some(at(6, 11)), &[loss(at(5, 10), 6, 1)]), Err("receipt_gone"));
    }
}
