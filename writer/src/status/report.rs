//! `GET /v1/streams`: how each stream of each shard stands.

use axum::extract::State as Shared;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use forebay_api::Streams;
use forebay_api::streams::{DerivedReport, LogReport, Rows, StreamReport};
use forebay_model::StreamId;
use forebay_service::{Client, Problem};

use crate::derive::TargetReport;
use crate::status::backlog::Backlog;
use crate::status::{State, Status};

/// Answers with every stream.
pub(crate) async fn get_streams(Shared(backlog): Shared<Backlog>, client: Client) -> Result<Response, Problem> {
    // A client that is bound has not the right to come here.
    client.binding(|| Ok(backlog.map()?.settings().views.in_force().clone()))?;
    let streams = Streams { streams: backlog.streams().iter().map(stream).collect() };
    let body = serde_json::to_vec(&streams)
        .map_err(|error| Problem::internal(format!("the answer cannot be written: {error}")))?;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

fn stream(status: &Status) -> StreamReport {
    let StreamId { kind, shard } = status.of();
    let now = status.now();
    let rows = |lane| {
        let tally = now.rows[lane];
        Rows { stored: tally.stored, duplicate: tally.duplicate, dead: tally.dead }
    };
    StreamReport {
        stream: kind,
        shard,
        state: now.state,
        leader: now.state == State::Draining,
        reason: now.reason.clone(),
        halted_by: now.halted_by,
        since: now.since.in_full().to_string(),
        position: now.position.map(Into::into),
        lanes: kind.lanes().map(|lane| (lane, rows(lane))).collect(),
        committed_at: now.committed_at.map(|at| at.in_full().to_string()),
        lag_frames: now.lag_frames(),
        lag_seconds: now.lag.as_secs_f64(),
        log: now.log.map(|log| LogReport {
            incarnation: log.incarnation.get(),
            first_seq: log.first_seq,
            last_seq: log.last_seq,
            bytes: log.bytes,
            bytes_max: log.bytes_max,
        }),
        derived: status.derived().standings(now.position).into_iter().map(derived).collect(),
    }
}

fn derived(standing: TargetReport) -> DerivedReport {
    DerivedReport {
        target: standing.target,
        through: standing.through.into(),
        frames_owed: standing.frames_owed,
        owed_since: standing.owed_since.map(|at| at.in_full().to_string()),
    }
}
