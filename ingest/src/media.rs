//! Media types and content encodings of requests.

use forebay_service::Problem;
use http::{HeaderMap, header};

/// The media type of a request, without parameters, in lower case; empty where it says none.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The problem of a media type that an endpoint does not take.
pub(crate) fn unsupported_media_type(found: &str, expected: &str) -> Problem {
    let found = if found.is_empty() { "no content type".to_owned() } else { format!("the content type `{found}`") };
    Problem::unsupported_media_type(format!("the request has {found}; send {expected}"))
}

/// How a request's body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    /// What a request's headers say.
    ///
    /// # Errors
    /// The problem `unsupported_media_type` for any other encoding.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let value = headers.get(header::CONTENT_ENCODING).map_or(Ok("identity"), |value| value.to_str());
        match value.unwrap_or("?").trim().to_ascii_lowercase().as_str() {
            "identity" | "" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            other => Err(Problem::unsupported_media_type(format!(
                "the content encoding `{other}` is not supported; send gzip, zstd or none"
            ))),
        }
    }
}
