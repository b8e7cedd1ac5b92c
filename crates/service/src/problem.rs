//! Errors as HTTP answers: RFC 9457 problems, with the codes of the interface.

use std::fmt;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use forebay_api::problem::{FaultEntry, Faults, NoMembers, PROBLEM_JSON};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::request_name::RequestName;

pub use forebay_api::Code;

impl Problem {
    /// `not_found` for a path that stands for nothing.
    pub fn no_such_path() -> Self {
        Self::not_found("there is no such path")
    }
}

macro_rules! constructors {
    ($( $variant:ident $name:ident $status:literal $title:literal; )+) => {
        impl Problem {
            $(
                #[doc = concat!("A problem with the code `", stringify!($name), "`; `detail` says what happened this time.")]
                pub fn $name(detail: impl Into<String>) -> Self {
                    Self::new(Code::$variant, detail)
                }
            )+
        }
    };
}

forebay_api::problem_codes!(constructors);

/// Seconds after which a client may try again when the code is one of 503 and nothing else was said.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An error answer (RFC 9457): `type`, `title`, `status`, `code`, `detail` and further members.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    code: Code,
    detail: String,
    members: Map<String, Value>,
    headers: HeaderMap,
}

impl Problem {
    /// A problem with a code from a variable; the constructors named after the codes are shorter.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let problem =
            Self(Box::new(Parts { code, detail: detail.into(), members: Map::new(), headers: HeaderMap::new() }));
        if problem.status() == StatusCode::SERVICE_UNAVAILABLE { problem.retry_after(RETRY_AFTER) } else { problem }
    }

    /// Says something more of what happened this time.
    #[must_use]
    pub fn and(mut self, more: &str) -> Self {
        self.0.detail.push_str("; ");
        self.0.detail.push_str(more);
        self
    }

    /// Adds a member to the body, such as `settled_lines` or `shards`.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(member.to_owned(), value.into());
        self
    }

    /// Adds the members of a type of the interface.
    #[must_use]
    pub fn with_members(mut self, members: &impl Serialize) -> Self {
        if let Ok(Value::Object(members)) = serde_json::to_value(members) {
            self.0.members.extend(members);
        }
        self
    }

    /// Adds the member `errors`: every fault that was found.
    #[must_use]
    pub fn with_faults(self, errors: Vec<FaultEntry>) -> Self {
        self.with_members(&Faults { errors })
    }

    /// Sets `Retry-After`, rounded up to whole seconds.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Sets a header of the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// What went wrong.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What happened this time.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        let Parts { code, detail, members, .. } = &*self.0;
        // The fixed members come last, so that none of the others takes their place.
        let request_id = RequestName::current().map(|name| name.to_string());
        let fixed =
            forebay_api::Problem { request_id, ..forebay_api::Problem::new(*code, detail.as_str(), NoMembers {}) };
        let mut body = members.clone();
        if let Ok(Value::Object(fixed)) = serde_json::to_value(fixed) {
            body.extend(fixed);
        }
        Value::Object(body)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.detail)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.body().to_string();
        let mut response = (self.status(), body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response.headers_mut().extend(self.0.headers);
        // The request metrics count problems by their code.
        response.extensions_mut().insert(self.0.code);
        response
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_code_has_a_status_of_an_error() {
        for &code in Code::ALL {
            let status = Problem::new(code, "").status();
            assert!(
                status.as_u16() == code.status() && (status.is_client_error() || status.is_server_error()),
                "{code}"
            );
        }
    }

    #[test]
    fn members_stand_beside_the_fixed_ones_and_never_replace_them() {
        let faults =
            vec![FaultEntry { pointer: "/items/0/quantity".to_owned(), detail: "must be at least 1".to_owned() }];
        let problem = Problem::invalid("the order has 1 fault").with_faults(faults).with("status", 200);
        assert_eq!(
            problem.body(),
            json!({
                "type": "urn:forebay:problem:invalid",
                "title": "The content breaks a rule",
                "status": 422,
                "code": "invalid",
                "detail": "the order has 1 fault",
                "errors": [{"pointer": "/items/0/quantity", "detail": "must be at least 1"}],
            })
        );
    }

    #[test]
    fn retry_after_is_rounded_up_and_every_503_has_one() {
        let response = Problem::rate_limited("slow down").retry_after(Duration::from_millis(1200)).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        let response = Problem::log_full("shard 1").into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        assert!(Problem::not_found("x").into_response().headers().get(header::RETRY_AFTER).is_none());
    }
}
