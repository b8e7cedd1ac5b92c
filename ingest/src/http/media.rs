//! Media types and content encodings of requests.

use forebay_service::Problem;
use http::{HeaderMap, header};
use mediatype::names::CHARSET;
use mediatype::{MediaType, ReadParams};

/// The media type of a request, in lower case; empty where it says none, and what stands there where that is none. It is without parameters but for a
/// charset that is not UTF-8: with that it is another type, which no endpoint takes.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let value = value.trim().trim_end_matches([';', ' ']);
    let Ok(found) = MediaType::parse(value) else { return value.to_ascii_lowercase() };
    let media_type = found.essence().to_string().to_ascii_lowercase();
    let charset = found.get_param(CHARSET).map(|charset| charset.unquoted_str().to_ascii_lowercase());
    match charset.filter(|charset| !matches!(&charset[..], "utf-8" | "utf8")) {
        Some(charset) => format!("{media_type}; charset={charset}"),
        None => media_type,
    }
}

/// The problem of a media type that an endpoint does not take.
pub(crate) fn unsupported_media_type(found: &str, expected: &str) -> Problem {
    let found = if found.is_empty() { "no content type".to_owned() } else { format!("the content type `{found}`") };
    let encoded = if found.contains("; charset=") { ", encoded as UTF-8" } else { "" };
    Problem::unsupported_media_type(format!("the request has {found}; send {expected}{encoded}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_charset_that_is_not_utf_8_makes_another_type() {
        for (value, expected) in [
            ("Application/JSON", "application/json"),
            ("application/json; charset=UTF-8", "application/json"),
            ("application/json;charset=\"utf-8\"; profile=x", "application/json"),
            ("application/x-ndjson; charset=ISO-8859-1", "application/x-ndjson; charset=iso-8859-1"),
            ("application/json; x=y; charset=utf-16", "application/json; charset=utf-16"),
            ("application/json; profile=\"a; charset=utf-16\"", "application/json"),
            ("application/json;", "application/json"),
            ("application/JSON; charset", "application/json; charset"),
            ("Json", "json"),
            ("", ""),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(media_type(&headers), expected, "{value}");
        }
    }
}
