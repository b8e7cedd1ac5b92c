//! `GET /v1/lanes`: how each lane of each shard stands.

use axum::extract::State as Shared;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::lane::ShardLane;
use crate::status::{State, Status};

/// Answers with every lane.
pub(crate) async fn get_lanes(Shared(lanes): Shared<Vec<Status>>) -> impl IntoResponse {
    let report = json!({ "lanes": lanes.iter().map(lane).collect::<Vec<_>>() });
    ([(CONTENT_TYPE, "application/json")], report.to_string())
}

fn lane(status: &Status) -> Value {
    let ShardLane { lane, shard } = status.of();
    let now = status.now();
    json!({
        "lane": lane.as_str(),
        "shard": shard,
        "state": now.state.as_str(),
        "leader": now.state == State::Draining,
        "reason": now.reason,
        "since": now.since.to_string(),
        "position": now.position.map(|position| json!({
            "incarnation": position.incarnation.get(),
            "seq": position.seq,
        })),
        "rows": { "stored": now.rows.stored, "duplicate": now.rows.duplicate, "dead": now.rows.dead },
        "committed_at": now.committed_at.map(|at| at.to_string()),
        "lag_frames": now.lag_frames(),
        "lag_seconds": now.lag.as_secs_f64(),
        "log": now.log.map(|log| json!({
            "incarnation": log.incarnation.get(),
            "first_seq": log.first_seq,
            "last_seq": log.last_seq,
            "bytes": log.bytes,
            "bytes_max": log.bytes_max,
        })),
    })
}
