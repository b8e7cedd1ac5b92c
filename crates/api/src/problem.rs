//! Errors (RFC 9457), with one table of codes.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The media type of a problem's body.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Gives the table of codes to a macro: `Variant name status "What it means";` for each, in the order of their status.
#[macro_export]
macro_rules! problem_codes {
    ($each:ident) => {
        $each! {
            Malformed malformed 400 "The request cannot be understood";
            Unauthenticated unauthenticated 401 "The request carries no valid token";
            Forbidden forbidden 403 "The token does not give this right";
            NotFound not_found 404 "There is nothing here";
            MethodNotAllowed method_not_allowed 405 "The resource does not know this method";
            NotAcceptable not_acceptable 406 "There is no answer in a form that the client takes";
            RequestTimeout request_timeout 408 "The request did not arrive in time";
            Ambiguous ambiguous 409 "More than one thing answers to this";
            ReceiptGone receipt_gone 410 "What became of the request is not known any more";
            TooLarge too_large 413 "The request is too large";
            UriTooLong uri_too_long 414 "The address of the request is too long";
            UnsupportedMediaType unsupported_media_type 415 "The content type is not supported";
            Invalid invalid 422 "The content breaks a rule";
            WriteOff write_off 422 "A write-off of stock is no order";
            RateLimited rate_limited 429 "The client sends faster than it may";
            HeadTooLarge head_too_large 431 "What stands before the body of the request is too much";
            Internal internal 500 "Something unexpected went wrong here";
            Overloaded overloaded 503 "The service has as much in hand as it can hold";
            LogFull log_full 503 "The log is full";
            LogUnreachable log_unreachable 503 "The log cannot be reached";
            ShuttingDown shutting_down 503 "The service is shutting down";
            NotReady not_ready 503 "The service is not ready";
            ShardUnavailable shard_unavailable 503 "A shard cannot be reached";
            NotYetVisible not_yet_visible 504 "What was asked for has not become visible in time";
        }
    };
}

macro_rules! code {
    ($( $variant:ident $name:ident $status:literal $title:literal; )+) => {
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
            pub const fn status(self) -> u16 {
                match self { $( Self::$variant => $status, )+ }
            }

            /// What the code means, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $( Self::$variant => $title, )+ }
            }
        }
    };
}

problem_codes!(code);

/// A problem's body (RFC 9457). Further members, such as `errors` or `settled_lines`, stand beside these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Problem"))]
pub struct Problem<M = NoMembers> {
    /// `urn:forebay:problem:` and the code.
    pub r#type: String,
    /// What the code means.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong.
    pub code: Code,
    /// What happened this time.
    pub detail: String,
    /// The request's `X-Request-Id`, under which it stands in the service's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What else it says.
    #[serde(flatten)]
    pub members: M,
}

/// No further members, or none that matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NoMembers {}

/// The members of a problem about what a request holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Faults {
    /// Each fault that was found.
    pub errors: Vec<FaultEntry>,
}

/// One fault in a request's content: where (a JSON pointer, RFC 6901) and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FaultEntry {
    /// JSON pointer to the faulty value; `""` is the whole document.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl<M> Problem<M> {
    /// A problem with that code.
    pub fn new(code: Code, detail: impl Into<String>, members: M) -> Self {
        Self {
            r#type: format!("urn:forebay:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: detail.into(),
            request_id: None,
            members,
        }
    }
}

impl Code {
    /// The code with that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::of_name(&name).ok_or_else(|| de::Error::custom(format_args!("there is no code {name}")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn codes_are_distinct_and_are_errors() {
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for &code in Code::ALL {
            assert!((400..600).contains(&code.status()) && !code.title().ends_with('.'), "{code}");
            assert_eq!(Code::of_name(code.as_str()), Some(code));
        }
        assert!(Code::ALL.is_sorted_by_key(|code| code.status()));
    }

    #[test]
    fn further_members_stand_beside_the_fixed_ones() {
        let errors = vec![FaultEntry { pointer: "/items".to_owned(), detail: "must be there".to_owned() }];
        let problem = Problem::new(Code::Invalid, "the order has 1 fault", Faults { errors });
        let body = json!({"type": "urn:forebay:problem:invalid", "title": "The content breaks a rule", "status": 422,
            "code": "invalid", "detail": "the order has 1 fault", "errors": [{"pointer": "/items", "detail": "must be there"}]});
        assert_eq!(serde_json::to_value(&problem).unwrap(), body);
        assert_eq!(serde_json::from_value::<Problem<Faults>>(body.clone()).unwrap(), problem);
        assert_eq!(serde_json::from_value::<Problem>(body).unwrap().code, Code::Invalid);
    }

    #[test]
    fn snapshot_of_codes_and_all_of_them_are_described() {
        let line = |code: &Code| format!("{} {code}: {}", code.status(), code.title());
        insta::assert_snapshot!(Code::ALL.iter().map(line).collect::<Vec<_>>().join("\n"));
        let page = include_str!("../../../docs/API.md");
        let missing: Vec<_> = Code::ALL.iter().filter(|code| !page.contains(&format!("`{code}`"))).collect();
        assert!(missing.is_empty(), "docs/API.md does not tell of {missing:?}");
    }
}
