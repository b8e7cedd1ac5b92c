//! What form a client wants: the header `Accept` (RFC 9110, section 12.5.1).

use forebay_service::Problem;
use http::{HeaderMap, header};
use mediatype::names::_STAR;
use mediatype::{MediaType, MediaTypeList, Name, ReadParams};

use crate::export::Format;
use crate::http::framing::Framing;

const PAGE: &str = "application/json";
/// The parameter that says how much a range is wanted.
const Q: Name<'_> = Name::new_unchecked("q");

/// A range of media types, and how much it is wanted.
struct Range<'a> {
    named: MediaType<'a>,
    /// In thousandths.
    quality: u16,
}

/// How well something that is on offer is liked: by quality, and of equals what was named more closely. `None` is not at all.
type Liking = Option<(u16, u8)>;

/// The format of the export that is wanted; nothing where pages of JSON are as welcome.
///
/// # Errors
/// The problem `not_acceptable` where nothing that is on offer is wanted.
pub(crate) fn wanted(headers: &HeaderMap) -> Result<Option<Format>, Problem> {
    best(headers, &Format::ALL.map(|format| (format, format.media_type())), not_acceptable)
}

/// What is liked best of these, each with its media type; nothing where that is the page of JSON.
fn best<T: Copy>(
    headers: &HeaderMap,
    others: &[(T, &str)],
    nothing: impl FnOnce() -> Problem,
) -> Result<Option<T>, Problem> {
    let texts: Vec<&str> = headers.get_all(header::ACCEPT).iter().map(|value| value.to_str().unwrap_or("?")).collect();
    if texts.iter().all(|text| text.split(',').all(|named| named.trim().is_empty())) {
        return Ok(None);
    }
    // A header is not refused for what is not understood in it.
    let named = texts.iter().flat_map(|text| MediaTypeList::new(text)).filter_map(Result::ok);
    let ranges: Vec<Range<'_>> = named.filter_map(Range::of).collect();
    let others = others.iter().map(|&(other, media_type)| (Some(other), liking(&ranges, media_type)));
    let offers = [(None, liking(&ranges, PAGE))].into_iter().chain(others);
    let best = offers.filter(|(_, liking)| liking.is_some()).reduce(|a, b| if b.1 > a.1 { b } else { a });
    best.map(|(other, _)| other).ok_or_else(nothing)
}

/// How a stream of changes is to be written; nothing where pages of JSON are as welcome.
///
/// # Errors
/// The problem `not_acceptable` where nothing that is on offer is wanted.
pub(crate) fn wanted_stream(headers: &HeaderMap) -> Result<Option<Framing>, Problem> {
    let offers = Framing::ALL.map(|framing| (framing, framing.content_type()));
    best(headers, &offers, || {
        Problem::not_acceptable("changes come as application/json, application/x-ndjson or text/event-stream")
    })
}

fn liking(ranges: &[Range<'_>], media_type: &str) -> Liking {
    // The closest range decides, also where it says no.
    let closest = ranges.iter().filter_map(|range| Some((range.closeness(media_type)?, range.quality))).max();
    closest.filter(|(_, quality)| *quality > 0).map(|(closeness, quality)| (quality, closeness))
}

impl<'a> Range<'a> {
    /// `None` where its quality is none.
    fn of(named: MediaType<'a>) -> Option<Self> {
        let quality = named.get_param(Q).map_or(Some(1000), |quality| thousandths(quality.as_str()))?;
        Some(Self { named, quality })
    }

    /// 2 where it names the type, 1 where it names its kind, 0 where it names anything. `None` where it means another.
    fn closeness(&self, media_type: &str) -> Option<u8> {
        let offered = MediaType::parse(media_type).ok()?;
        let Self { named, .. } = self;
        if named.ty == _STAR && named.subty == _STAR {
            return Some(0);
        }
        let is_of_kind = named.ty == offered.ty;
        if named.subty == _STAR {
            return is_of_kind.then_some(1);
        }
        (is_of_kind && (named.subty, named.suffix) == (offered.subty, offered.suffix)).then_some(2)
    }
}

/// A quality: 0 to 1 with at most three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_number = decimals.len() <= 3 && decimals.bytes().all(|digit| digit.is_ascii_digit());
    let decimals: u16 = if is_number { format!("{decimals:0<3}").parse().ok()? } else { return None };
    match (whole, decimals) {
        ("0", _) => Some(decimals),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

fn not_acceptable() -> Problem {
    let exports = Format::ALL.map(Format::media_type).join(", ");
    Problem::not_acceptable(format!("lists come as {PAGE}, and exports as {exports}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &[&str]) -> Result<Option<Format>, String> {
        let value = |text: &&str| (header::ACCEPT, text.parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in accept.iter().map(value) {
            headers.append(name, value);
        }
        wanted(&headers).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn what_is_wanted_most_is_given() {
        use Format::{Csv, Ndjson, Parquet};
        for (accept, expected) in [
            ("", None),
            (" , ,", None),
            ("*/*", None),
            ("application/json", None),
            ("application/*", None),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", None),
            ("application/x-ndjson", Some(Ndjson)),
            ("Text/CSV", Some(Csv)),
            ("text/*", Some(Csv)),
            ("application/vnd.apache.parquet", Some(Parquet)),
            ("application/vnd.apache.parquet, */*", Some(Parquet)),
            ("text/csv; charset=utf-8; q=0.5, application/x-ndjson;q=0.6", Some(Ndjson)),
            ("text/csv;q=0.5, application/json;q=0.499", Some(Csv)),
            ("text/csv, application/json", None),
            ("*/*, application/json;q=0, application/x-ndjson;q=0", Some(Csv)),
            ("nonsense, text/csv", Some(Csv)),
            ("text/csv;Q=1.000", Some(Csv)),
            ("text/csv;note=\"a, b;q=0\", application/json;q=0.5", Some(Csv)),
        ] {
            assert_eq!(of(&[accept]), Ok(expected), "{accept}");
        }
        assert_eq!(of(&["application/json;q=0.1", "text/csv"]), Ok(Some(Csv)));
        assert_eq!(of(&[]), Ok(None));
    }

    #[test]
    fn what_there_is_not_is_refused_with_what_there_is() {
        for accept in ["application/xml", "text/plain", "json", "text/csv;q=0", "text/csv;q=2", "*/*;q=0", "image/*"] {
            let said = of(&[accept]).unwrap_err();
            assert!(said.contains("application/json") && said.contains("text/csv"), "{accept}: {said}");
        }
    }
}
