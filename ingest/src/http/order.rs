//! `POST /v1/orders`: one order, one answer.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use forebay_api::AcceptedOrder;
use forebay_api::problem::FaultEntry;
use forebay_model::order::ORDER_TEXT_BYTES_MAX;
use forebay_model::order::fault::{Fault, Rejection};
use forebay_model::{Accepted, Claimant, Facts, Order, Receipt, ShardId, Timestamp};
use forebay_service::{Client, Problem, http as service_http};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use tokio::time::Instant;

use crate::app::App;
use crate::append::group::Origin;
use crate::assign::Assigner;
use crate::http::media::{Encoding, media_type, unsupported_media_type};
use crate::keys::meaning::meaning_of;
use crate::metrics::count_rejected;
use crate::sender::Sender;

/// How long one order's body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(20);

/// Takes one order.
pub(crate) async fn post_order(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if app.shutdown().is_started() {
        return Err(Problem::shutting_down("the service is stopping"));
    }
    check_headers(&headers)?;
    let (sender, assigner) = (Sender::of(&client, || app.views())?, Assigner::from_headers(&headers)?);
    let left = app.rates().take_one(&client)?;
    let held = app.memory().hold(expected_bytes(&headers)).await?;
    let bytes = read(body).await?;
    let map = app.map()?;
    // What borrows the body ends before the wait for the log begins.
    let (facts, answer, request) = {
        let now = Timestamp::now();
        let request = sender.request(now);
        let admission = app.admission(&map, &sender);
        let draft = admission.read(&bytes, now).and_then(|draft| assigner.admit(draft));
        let draft = draft.map_err(|rejection| {
            count_rejected(rejection.code(), 1);
            problem_of(rejection)
        })?;
        if let Some(key) = assigner.key()
            && !app.keys().take(&client, key, meaning_of(&draft), Instant::now())
        {
            return Err(key_reused());
        }
        let random = assigner.for_order(&draft);
        let order = admission.settle(draft, &map, now, random);
        let mut facts = Facts::default();
        facts.set_claimant(Some(Claimant { request, letter: None }));
        let shard = facts.add(&order, &map);
        (facts, accepted(&order, shard), request)
    };
    let receipt = app.appender()?.append(facts.into_parts(), Origin::Order, map.epoch(), held).await?;
    let receipt = receipt.of(Accepted { request, pieces: 1, orders: 1 });
    app.count_accepted(1);
    let mut response = accepted_answer(answer, &receipt);
    left.write(response.headers_mut());
    Ok(response)
}

/// What an order that goes to that shard is answered with. It has no receipt yet.
fn accepted(order: &Order<'_>, shard: ShardId) -> AcceptedOrder {
    AcceptedOrder {
        order_id: order.order_id.to_string(),
        customer_id: order.customer_id().to_string(),
        timestamp: order.ordered_at.in_full().to_string(),
        shard,
        receipt: String::new(),
    }
}

/// The answer to the client: 202, with the receipt.
fn accepted_answer(accepted: AcceptedOrder, receipt: &Receipt) -> Response {
    json(StatusCode::ACCEPTED, &AcceptedOrder { receipt: receipt.to_string(), ..accepted })
}

/// Reads the body of a single record.
pub(crate) async fn read(body: Body) -> Result<Bytes, Problem> {
    service_http::read_whole(body, ORDER_TEXT_BYTES_MAX, BODY_DEADLINE).await
}

/// A single record comes as JSON, and as it is.
pub(crate) fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    let media_type = media_type(headers);
    if media_type != "application/json" {
        return Err(unsupported_media_type(&media_type, "application/json"));
    }
    if Encoding::of(headers)? != Encoding::Identity {
        return Err(Problem::unsupported_media_type(
            "a single one is taken without content encoding; batches may have one",
        ));
    }
    Ok(())
}

/// Bytes that the request will hold: its body, and the tuple that is made of it.
pub(crate) fn expected_bytes(headers: &HeaderMap) -> usize {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.unwrap_or(ORDER_TEXT_BYTES_MAX).min(ORDER_TEXT_BYTES_MAX) * 2
}

/// The problem of a key that another order has.
fn key_reused() -> Problem {
    let detail = "the Idempotency-Key was used for another order; a new order needs a new key".to_owned();
    Problem::invalid(detail.clone()).with_faults(vec![FaultEntry { pointer: String::new(), detail }])
}

/// The problem that tells a client why its order is not accepted.
pub(crate) fn problem_of(rejection: Rejection) -> Problem {
    match rejection {
        Rejection::TooLarge { .. } => Problem::too_large(rejection.to_string()),
        Rejection::Malformed(detail) => Problem::malformed(detail),
        Rejection::WriteOff => {
            let detail = rejection.to_string();
            let entry = FaultEntry { pointer: "/items".to_owned(), detail: detail.clone() };
            Problem::write_off(detail).with_faults(vec![entry])
        }
        Rejection::Invalid(ref faults) => {
            let detail = rejection.to_string();
            let entry = |fault: &Fault| FaultEntry { pointer: fault.pointer.clone(), detail: fault.reason.clone() };
            Problem::invalid(detail).with_faults(faults.iter().map(entry).collect())
        }
    }
}

/// An answer whose body is the JSON of a value.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let content_type = HeaderValue::from_static("application/json");
            (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        Err(error) => Problem::internal(format!("the answer cannot be written: {error}")).into_response(),
    }
}
