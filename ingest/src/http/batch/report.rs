//! What the client of a batch is told.

use axum::response::{IntoResponse, Response};
use forebay_api::{BatchReport, RejectedLine};
use forebay_model::id::{IdError, check_id};
use forebay_model::{Accepted, Receipt, Rejection, RequestId};
use forebay_service::Problem;
use http::StatusCode;
use serde::Deserialize;

use super::record_kind::RecordKind;
use crate::http::order::json;

/// What has become of the lines so far.
#[derive(Debug)]
pub(super) struct Report {
    request: RequestId,
    kind: RecordKind,
    /// How many pieces of the request are settled: the first ones.
    pub(super) pieces: u32,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) errors: Vec<RejectedLine>,
    pub(super) receipt: Receipt,
    /// Every line up to this one is accepted for good or rejected.
    pub(super) settled_lines: u64,
}

/// What is told of a line that was rejected.
pub(super) fn rejected(line: u64, text: Option<&[u8]>, rejection: &Rejection) -> RejectedLine {
    let (code, detail) = (rejection.code().to_owned(), rejection.to_string());
    RejectedLine { line, order_id: text.and_then(order_id), code, detail }
}

/// The order id that a rejected line has, if it can be read.
fn order_id(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct OnlyId {
        order_id: serde_json::Value,
    }
    let id = match serde_json::from_slice::<OnlyId>(text).ok()?.order_id {
        serde_json::Value::String(id) => id,
        serde_json::Value::Number(id) => id.to_string(),
        _ => return None,
    };
    // What is longer is no id, and a hundred of them would be megabytes of an answer.
    (check_id(&id) != Err(IdError::TooLong)).then_some(id)
}

impl Report {
    /// Nothing yet.
    pub(super) fn of(request: RequestId, kind: RecordKind) -> Self {
        let (errors, receipt) = (Vec::new(), Receipt::default());
        Self { request, kind, pieces: 0, accepted: 0, rejected: 0, errors, receipt, settled_lines: 0 }
    }

    /// The answer to a batch that was read to its end.
    pub(super) fn complete(self) -> Response {
        if self.accepted > 0 {
            return json(StatusCode::ACCEPTED, &self.answer());
        }
        let noun = self.kind.noun();
        let detail = match self.rejected {
            0 => format!("there is no {noun} in the batch"),
            1 => format!("the one {noun} of the batch is not accepted"),
            rejected => format!("none of the {rejected} {noun}s is accepted"),
        };
        Problem::invalid(detail).with_members(&self.answer()).into_response()
    }

    /// The answer to a batch that was cut short by `problem`.
    pub(super) fn cut_short(self, problem: Problem) -> Response {
        let settled_lines = Some(self.settled_lines);
        problem.with_members(&BatchReport { settled_lines, ..self.answer() }).into_response()
    }

    fn answer(self) -> BatchReport {
        let Self { request, pieces, accepted, rejected, errors, receipt, .. } = self;
        let receipt =
            (!receipt.is_empty()).then(|| receipt.of(Accepted { request, pieces, orders: accepted }).to_string());
        BatchReport { accepted, rejected, errors, receipt, settled_lines: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::id::ID_CHARS_MAX;

    #[test]
    fn a_rejected_line_tells_its_id_where_that_can_be_one() {
        let told = |id: &str| order_id(format!(r#"{{"order_id":{id},"items":0}}"#).as_bytes());
        assert_eq!([told("\"O1\""), told("17")], [Some("O1".to_owned()), Some("17".to_owned())]);
        assert_eq!([told("null"), told("[]"), told("")], [None, None, None]);
        let long = |chars| format!("\"{}\"", "é".repeat(chars));
        assert!(told(&long(ID_CHARS_MAX)).is_some() && told(&long(ID_CHARS_MAX + 1)).is_none());
    }
}
