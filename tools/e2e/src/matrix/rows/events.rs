//! What happens to orders, sent before them, behind them and twice, while the writer and the query service are killed. In the end each
//! order has become what follows from its events, and who follows what is stored was given every one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use forebay_model::{Lane, Receipt};
use forebay_stack::ServiceName;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::load::ledger::Outcome;
use crate::load::maker::{Made, Maker};
use crate::matrix::trial::{Target, Trial};
use crate::system::System;

const ORDERS: usize = 30;
const WITHIN: Duration = Duration::from_secs(30);
/// The first of two that happen at one moment is overtaken by the other.
const STATES: [&str; 5] = ["confirmed", "packed", "shipped", "delivered", "cancelled"];

/// Something that is sent; an order with its mark.
struct Sent {
    path: String,
    json: Value,
    mark: Option<String>,
}

/// What must become of an order: its latest state, with what decides which that is.
#[derive(Default)]
struct Expected(Option<(String, usize, String)>);

/// Somebody who follows what is stored, and keeps nothing but what was given and where to go on.
struct Follower {
    since: Receipt,
    given: BTreeSet<(String, String)>,
    went_back: usize,
}

/// Sends orders and events, kills, and follows.
pub(crate) async fn happen(trial: &mut Trial) -> Result<()> {
    let mut maker = Maker::new("happen", StdRng::from_rng(&mut trial.rng));
    let mut follower = Follower { since: Receipt::default(), given: BTreeSet::new(), went_back: 0 };
    let (mut events, mut becomes, mut posted) = (BTreeSet::new(), BTreeMap::new(), 0);
    for _ in 0..trial.span.rounds() * 4 {
        let mut sent = Vec::new();
        for made in (0..ORDERS).map(|_| maker.make(true)) {
            trial.ledger.sending(std::slice::from_ref(&made))?;
            let place = (made.customer_id.clone(), made.order_id.clone().unwrap_or_default());
            let happened = happened(&mut trial.rng, &made);
            events.extend(happened.iter().map(|event| (place.1.clone(), text(event, "event_id"))));
            becomes.insert(place, Expected::of(&happened));
            sent.extend(twice_now_and_then(&mut trial.rng, &made, happened));
            let Made { mark, json, .. } = made;
            sent.push(Sent { path: "/v1/orders".to_owned(), json, mark: Some(mark) });
        }
        posted += sent.iter().filter(|sent| sent.mark.is_none()).count();
        sent.shuffle(&mut trial.rng);
        let (first, second) = sent.split_at(sent.len() / 2);
        let service = if trial.rng.random() { ServiceName::Writer } else { ServiceName::Query };
        trial.kill(Target::Service(service)).await;
        send(trial, first).await?;
        trial.start_again(Target::Service(service)).await?;
        send(trial, second).await?;
        // Where nobody answers, it goes on the next time.
        let _ = follower.go_on(&trial.system).await;
    }
    trial.known.logged_again(Lane::Events, (posted - events.len()) as u64);
    trial
        .must("the feed gives every event", WITHIN, async |system| {
            follower.go_on(system).await?;
            match events.difference(&follower.given).next() {
                None => Ok(()),
                Some(one) => Err(format!("{} of {}; not {one:?}", follower.given.len(), events.len())),
            }
        })
        .await;
    if follower.went_back > 0 {
        trial.add_finding(format!("{} times the position to go on from went back", follower.went_back));
    }
    trial
        .must("every order has become what follows from its events", WITHIN, async |system| {
            for ((customer, order), expected) in &becomes {
                let path = format!("/v1/customers/{customer}/orders/{order}");
                let (status, answer) = system.get(&path).await.map_err(|error| error.to_string())?;
                if status != 200 || answer["status"] != expected.status() {
                    return Err(format!("{path}: {status}, {}, not {}", answer["status"], expected.status()));
                }
            }
            Ok(())
        })
        .await;
    Ok(())
}

/// What happens to an order; the ids tell nothing of the times.
fn happened(rng: &mut StdRng, made: &Made) -> Vec<Value> {
    let count = rng.random_range(0..6);
    let event = |number: usize| {
        let kind = if rng.random_ratio(1, 6) { "note" } else { STATES.choose(rng).copied().unwrap_or_default() };
        let second = rng.random_range(0..6);
        json!({"customer_id": made.customer_id, "event_id": format!("E{number}"), "kind": kind,
            "at": format!("2025-07-01T00:00:{second:02}Z")})
    };
    (0..count).map(event).collect()
}

fn twice_now_and_then(rng: &mut StdRng, made: &Made, events: Vec<Value>) -> Vec<Sent> {
    let path = format!("/v1/orders/{}/events", made.order_id.as_deref().unwrap_or_default());
    let times: Vec<usize> = events.iter().map(|_| rng.random_range(1..3)).collect();
    let repeated = events.into_iter().zip(times).flat_map(|(event, times)| std::iter::repeat_n(event, times));
    repeated.map(|json| Sent { path: path.clone(), json, mark: None }).collect()
}

async fn send(trial: &mut Trial, all: &[Sent]) -> Result<()> {
    for Sent { path, json, mark } in all {
        let (status, answer) = trial.system.post_to(path, json).await?;
        if status != 202 {
            trial.add_finding(format!("{path} was answered by {status}: {answer}"));
        }
        if let Some(mark) = mark {
            trial.ledger.settle(mark, if status == 202 { Outcome::Accepted } else { Outcome::Unknown })?;
        }
    }
    Ok(())
}

impl Expected {
    /// The latest counts, whatever the order in which they come.
    fn of(events: &[Value]) -> Self {
        let place = |event: &Value| {
            let rank = STATES.iter().position(|state| event["kind"] == *state)?;
            Some((text(event, "at"), rank, text(event, "event_id")))
        };
        Self(events.iter().filter_map(place).max())
    }

    fn status(&self) -> &'static str {
        self.0.as_ref().map_or("placed", |(_, rank, _)| STATES[*rank])
    }
}

impl Follower {
    /// Reads on to the end, as that is now.
    async fn go_on(&mut self, system: &System) -> Result<(), String> {
        loop {
            let since = if self.since == Receipt::default() { "0".to_owned() } else { self.since.to_string() };
            let asked = system.ask(ServiceName::Query, &format!("/v1/changes?limit=1000&since={since}")).await;
            let (status, page) = asked.map_err(|error| error.to_string())?;
            let next: Receipt = match page["next"].as_str().map(str::parse) {
                Some(Ok(next)) if status == 200 => next,
                _ => return Err(format!("{status}: {page}")),
            };
            let is_behind = |(stream, place)| next.position(stream).is_none_or(|next| !next.covers(place));
            self.went_back += usize::from(self.since.positions().any(is_behind));
            let events = page["data"].as_array().into_iter().flatten().filter_map(|change| change.get("event"));
            self.given.extend(events.map(|event| (text(event, "order_id"), text(event, "event_id"))));
            self.since = next;
            if page["has_more"] != true {
                return Ok(());
            }
        }
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
