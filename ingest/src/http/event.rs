//! `POST /v1/orders/{order_id}/events`: one event, one answer.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use forebay_api::AcceptedEvent;
use forebay_model::{Accepted, Claimant, Event, Facts, OrderId, ShardId, Timestamp};
use forebay_service::extract::Path;
use forebay_service::{Client, Problem};
use http::{HeaderMap, StatusCode};

use crate::app::App;
use crate::append::group::Origin;
use crate::http::order::{check_headers, expected_bytes, json, problem_of, read};
use crate::metrics::count_rejected;
use crate::sender::Sender;

/// Takes one event of an order, which may come later itself.
pub(crate) async fn post_event(
    State(app): State<App>,
    client: Client,
    Path(order_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if app.shutdown().is_started() {
        return Err(Problem::shutting_down("the service is stopping"));
    }
    check_headers(&headers)?;
    let order_id = OrderId::new(order_id).map_err(|error| Problem::malformed(format!("an order id {error}")))?;
    let sender = Sender::of(&client, || app.views())?;
    let left = app.rates().take_one(&client)?;
    let held = app.memory().hold(expected_bytes(&headers)).await?;
    let bytes = read(body).await?;
    let (map, now) = (app.map()?, Timestamp::now());
    let event = app.event_admission(&map, &sender).read(&bytes, Some(&order_id), &map, now).map_err(|rejection| {
        count_rejected(rejection.code(), 1);
        problem_of(rejection)
    })?;
    let request = sender.request(now);
    let mut facts = Facts::default();
    facts.set_claimant(Some(Claimant { request, letter: None }));
    let shard = facts.add_event(&event, &map);
    let receipt = app.appender()?.append(facts.into_parts(), Origin::Order, map.epoch(), held).await?;
    let receipt = receipt.of(Accepted { request, pieces: 1, orders: 1 });
    app.count_accepted_events(1);
    let mut response = json(StatusCode::ACCEPTED, &accepted(&event, shard, receipt.to_string()));
    left.write(response.headers_mut());
    Ok(response)
}

/// What an event that goes to that shard is answered with.
fn accepted(event: &Event, shard: ShardId, receipt: String) -> AcceptedEvent {
    AcceptedEvent {
        order_id: event.order_id.to_string(),
        event_id: event.event_id.to_string(),
        kind: event.kind.to_string(),
        at: event.at.in_full().to_string(),
        shard,
        receipt,
    }
}
