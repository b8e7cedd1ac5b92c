//! The name of a request: what it has in `X-Request-Id`, or one that is made for it. It stands in the answer, in its problem, and in every
//! line that is logged while the request is answered.

use std::fmt;

use forebay_api::header;
use http::{HeaderMap, HeaderValue};

/// The most bytes of a name that a client chooses.
const NAME_BYTES_MAX: usize = 128;

tokio::task_local! {
    /// The request that the running task answers. A span for each request would cost more than answering from the cache does.
    static CURRENT: RequestName;
}

/// The name of a request. Cloning it is cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestName(HeaderValue);

impl RequestName {
    /// That of the request that is being answered, where one is.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// The name that a request brings, if it can be one, or a new one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        match headers.get(header::REQUEST_ID) {
            Some(name) if is_name(name.as_bytes()) => Self(name.clone()),
            _ => Self::random(),
        }
    }

    fn random() -> Self {
        let name = format!("{:016x}", rand::random::<u64>());
        Self(HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("-")))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(super) fn value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Does something for the request.
    pub(super) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), work)
    }

    /// Goes on for the request.
    pub(super) fn through<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }
}

/// Work for the request that is being answered, to be done by another task: it still is for that request there.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let name = RequestName::current();
    async move {
        match name {
            Some(name) => name.through(work).await,
            None => work.await,
        }
    }
}

/// What a name may be has a meaning nowhere: neither in JSON, nor in a line of a log.
fn is_name(bytes: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:/+=@-".contains(byte);
    (1..=NAME_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(is_allowed)
}

impl fmt::Display for RequestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> RequestName {
        RequestName::of(&HeaderMap::from_iter([(header::REQUEST_ID.parse().unwrap(), value.parse().unwrap())]))
    }

    #[test]
    fn a_name_is_taken_where_it_can_be_one_and_else_made() {
        for name in ["x", "4bf92f35-77b3.4da6:a3ce/929d+0e=0e@4736", &"a".repeat(NAME_BYTES_MAX)] {
            assert_eq!(of(name).as_str(), name);
        }
        for name in ["", "a b", "\"", "a{b", "x\ty", &"a".repeat(NAME_BYTES_MAX + 1)] {
            assert_eq!(of(name).as_str().len(), 16, "{name}");
        }
        assert_ne!(RequestName::of(&HeaderMap::new()), RequestName::of(&HeaderMap::new()));
    }
}
