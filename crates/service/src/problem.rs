//! Errors as RFC 9457 problems, with one table of codes.

use std::fmt;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The media type of a problem's body.
pub const PROBLEM_JSON: &str = "application/problem+json";

macro_rules! codes {
    ($( $variant:ident $name:ident $status:ident $title:literal; )+) => {
        /// What went wrong, as programs may rely on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $( #[doc = concat!("`", stringify!($name), "`: ", $title, ".")] $variant, )+
        }

        impl Code {
            /// All codes, in the order of their status.
            pub const ALL: &[Self] = &[$( Self::$variant, )+];

            /// The code as it stands in answers and metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => stringify!($name), )+ }
            }

            /// The HTTP status that goes with the code.
            pub const fn status(self) -> StatusCode {
                match self { $( Self::$variant => StatusCode::$status, )+ }
            }

            /// What the code means, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $( Self::$variant => $title, )+ }
            }
        }

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

codes! {
    Malformed malformed BAD_REQUEST "The request cannot be understood";
    Unauthenticated unauthenticated UNAUTHORIZED "The request carries no valid token";
    Forbidden forbidden FORBIDDEN "The token does not give this right";
    NotFound not_found NOT_FOUND "There is nothing here";
    MethodNotAllowed method_not_allowed METHOD_NOT_ALLOWED "The resource does not know this method";
    NotAcceptable not_acceptable NOT_ACCEPTABLE "There is no answer in a form that the client takes";
    RequestTimeout request_timeout REQUEST_TIMEOUT "The request did not arrive in time";
    Ambiguous ambiguous CONFLICT "More than one thing answers to this";
    TooLarge too_large PAYLOAD_TOO_LARGE "The request is too large";
    UnsupportedMediaType unsupported_media_type UNSUPPORTED_MEDIA_TYPE "The content type is not supported";
    Invalid invalid UNPROCESSABLE_ENTITY "The content breaks a rule";
    RateLimited rate_limited TOO_MANY_REQUESTS "The client sends faster than it may";
    Internal internal INTERNAL_SERVER_ERROR "Something unexpected went wrong here";
    Overloaded overloaded SERVICE_UNAVAILABLE "The service has as much in hand as it can hold";
    LogFull log_full SERVICE_UNAVAILABLE "The log is full";
    LogUnreachable log_unreachable SERVICE_UNAVAILABLE "The log cannot be reached";
    ShuttingDown shutting_down SERVICE_UNAVAILABLE "The service is shutting down";
    NotReady not_ready SERVICE_UNAVAILABLE "The service is not ready";
    ShardUnavailable shard_unavailable SERVICE_UNAVAILABLE "A shard cannot be reached";
    NotYetVisible not_yet_visible GATEWAY_TIMEOUT "What was asked for has not become visible in time";
}

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

/// One fault in a request's content: where (a JSON pointer, RFC 6901) and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultEntry {
    /// JSON pointer to the faulty value; `""` is the whole document.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    /// A problem with a code from a variable; the constructors named after the codes are shorter.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let problem =
            Self(Box::new(Parts { code, detail: detail.into(), members: Map::new(), headers: HeaderMap::new() }));
        if code.status() == StatusCode::SERVICE_UNAVAILABLE { problem.retry_after(RETRY_AFTER) } else { problem }
    }

    /// Adds a member to the body, such as `settled_lines` or `shards`.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(member.to_owned(), value.into());
        self
    }

    /// Adds the member `errors`: every fault that was found.
    #[must_use]
    pub fn with_faults(self, faults: &[FaultEntry]) -> Self {
        self.with("errors", json!(faults))
    }

    /// Sets `Retry-After`, rounded up to whole seconds.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
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
        self.0.code.status()
    }

    /// What happened this time.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        let Parts { code, detail, members, .. } = &*self.0;
        let mut body = members.clone();
        body.insert("type".to_owned(), format!("urn:forebay:problem:{}", code.as_str()).into());
        body.insert("title".to_owned(), code.title().into());
        body.insert("status".to_owned(), code.status().as_u16().into());
        body.insert("code".to_owned(), code.as_str().into());
        body.insert("detail".to_owned(), detail.as_str().into());
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
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_are_errors() {
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
            assert!(!code.title().ends_with('.'), "{code:?}");
        }
    }

    #[test]
    fn members_stand_beside_the_fixed_ones_and_never_replace_them() {
        let faults = [FaultEntry { pointer: "/items/0/quantity".to_owned(), detail: "must be at least 1".to_owned() }];
        let problem = Problem::invalid("the order has 1 fault").with_faults(&faults).with("status", 200);
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
