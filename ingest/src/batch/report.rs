//! What the client of a batch is told.

use axum::response::{IntoResponse, Response};
use forebay_model::id::{IdError, check_id};
use forebay_model::{Receipt, Rejection};
use forebay_service::Problem;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::order::json;

/// How many rejected lines are told one by one.
pub(super) const ERRORS_MAX: usize = 100;

/// A line that was not accepted.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RejectedLine {
    line: u64,
    order_id: Option<String>,
    code: &'static str,
    detail: String,
}

/// What has become of the lines so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) errors: Vec<RejectedLine>,
    pub(super) receipt: Receipt,
    /// Every line up to this one is accepted for good or rejected.
    pub(super) settled_lines: u64,
}

impl RejectedLine {
    pub(super) fn new(line: u64, text: Option<&[u8]>, rejection: &Rejection) -> Self {
        Self { line, order_id: text.and_then(order_id), code: rejection.code(), detail: rejection.to_string() }
    }
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
    /// The answer to a batch that was read to its end.
    pub(super) fn complete(self) -> Response {
        if self.accepted > 0 {
            return self.accepted_answer();
        }
        let detail = match self.rejected {
            0 => String::from("there is no order in the batch"),
            1 => String::from("the one order of the batch is not accepted"),
            rejected => format!("none of the {rejected} orders is accepted"),
        };
        self.describe(Problem::invalid(detail)).into_response()
    }

    /// The answer to a batch that was cut short by `problem`.
    pub(super) fn cut_short(self, problem: Problem) -> Response {
        let settled_lines = self.settled_lines;
        self.describe(problem).with("settled_lines", settled_lines).into_response()
    }

    fn accepted_answer(self) -> Response {
        #[derive(Serialize)]
        struct Accepted {
            accepted: u64,
            rejected: u64,
            errors: Vec<RejectedLine>,
            receipt: String,
        }
        let Self { accepted, rejected, errors, receipt, .. } = self;
        json(StatusCode::ACCEPTED, &Accepted { accepted, rejected, errors, receipt: receipt.to_string() })
    }

    fn describe(self, problem: Problem) -> Problem {
        let errors = serde_json::to_value(&self.errors).unwrap_or_default();
        let problem = problem.with("accepted", self.accepted).with("rejected", self.rejected).with("errors", errors);
        if self.receipt.is_empty() { problem } else { problem.with("receipt", self.receipt.to_string()) }
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
