//! `GET /v1/lanes`: how each lane of each shard stands.

use axum::extract::State as Shared;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use forebay_api::Lanes;
use forebay_api::lanes::{LaneReport, LogReport, Rows};
use forebay_model::StreamId;
use forebay_service::Problem;

use crate::status::{State, Status};

/// Answers with every lane.
pub(crate) async fn get_lanes(Shared(lanes): Shared<Vec<Status>>) -> Response {
    match serde_json::to_vec(&Lanes { lanes: lanes.iter().map(lane).collect() }) {
        Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => Problem::internal(format!("the answer cannot be written: {error}")).into_response(),
    }
}

fn lane(status: &Status) -> LaneReport {
    let StreamId { lane, shard } = status.of();
    let now = status.now();
    LaneReport {
        lane,
        shard,
        state: now.state,
        leader: now.state == State::Draining,
        reason: now.reason.clone(),
        since: now.since.to_string(),
        position: now.position.map(Into::into),
        rows: Rows { stored: now.rows.stored, duplicate: now.rows.duplicate, dead: now.rows.dead },
        committed_at: now.committed_at.map(|at| at.to_string()),
        lag_frames: now.lag_frames(),
        lag_seconds: now.lag.as_secs_f64(),
        log: now.log.map(|log| LogReport {
            incarnation: log.incarnation.get(),
            first_seq: log.first_seq,
            last_seq: log.last_seq,
            bytes: log.bytes,
            bytes_max: log.bytes_max,
        }),
    }
}
