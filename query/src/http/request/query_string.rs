//! What stands behind the `?` of a request, checked strictly: a misspelt parameter that is passed over would give another
//! answer than the one that was asked for.

use std::time::Duration;

use axum::extract::Query;
use forebay_api::header::AFTER;
use forebay_api::parameter::{LIMIT_DEFAULT, LIMIT_MAX, WAIT_MS_DEFAULT, WAIT_MS_MAX};
use forebay_api::{Parameter, Route};
use forebay_model::{Receipt, Timestamp};
use forebay_service::Problem;
use forebay_shard::read::{Direction, Filter, Key, Period, Span};
use http::{HeaderMap, Uri};

use crate::answer::life::Shown;
use crate::feed::BEGINNING;
use crate::list::cursor::{self, ListDigest};
use crate::position::patience::Patience;

/// The parameters of a request.
pub(crate) struct QueryString(Vec<(String, String)>);

impl QueryString {
    /// Reads the parameters. Each must be one of the route's, and stand there once.
    pub(crate) fn read(uri: &Uri, route: Route) -> Result<Self, Problem> {
        let known = route.parameters();
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| malformed(format!("the query cannot be read: {}", error.body_text())))?;
        for (place, (name, _)) in pairs.iter().enumerate() {
            if known.is_empty() {
                return Err(malformed("there are no parameters here"));
            }
            if !known.iter().any(|parameter| parameter.name() == name) {
                let known: Vec<&str> = known.iter().map(|parameter| parameter.name()).collect();
                return Err(malformed(format!("there is no parameter `{name}` here: there are {}", known.join(", "))));
            }
            if pairs[..place].iter().any(|(other, _)| other == name) {
                return Err(malformed(format!("`{name}` stands there twice")));
            }
        }
        Ok(Self(pairs))
    }

    /// Refuses parameters that mean something only elsewhere, and says why.
    pub(crate) fn refuse(&self, parameters: &[Parameter], why: &str) -> Result<(), Problem> {
        match parameters.iter().find(|parameter| self.get(**parameter).is_some()) {
            Some(parameter) => Err(malformed(format!("there is no `{}` here: {why}", parameter.name()))),
            None => Ok(()),
        }
    }

    fn get(&self, parameter: Parameter) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == parameter.name()).map(|(_, value)| value.as_str())
    }

    /// `from` and `to`.
    pub(crate) fn span(&self) -> Result<Span, Problem> {
        let (from, to) = (self.timestamp(Parameter::Earliest)?, self.timestamp(Parameter::Before)?);
        if from.is_some_and(|from| to.is_some_and(|to| from >= to)) {
            return Err(malformed("`from` must be before `to`"));
        }
        // A bound beyond every order leaves nothing, and is no mistake.
        let to = to.unwrap_or(Span::ALL.to);
        Ok(Span { from: from.unwrap_or(Span::ALL.from).min(to), to })
    }

    fn timestamp(&self, parameter: Parameter) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.get(parameter) else { return Ok(None) };
        let at = Timestamp::parse_bound(&with_plus(text));
        let at = at.map_err(|error| malformed(format!("`{}` {error}", parameter.name())))?;
        Ok(Some(at))
    }

    /// `limit`.
    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        let Some(text) = self.get(Parameter::Limit) else { return Ok(LIMIT_DEFAULT) };
        let limit = number(text).and_then(|limit| usize::try_from(limit).ok());
        limit
            .filter(|limit| (1..=LIMIT_MAX).contains(limit))
            .ok_or_else(|| malformed(format!("`limit` must be an integer from 1 to {LIMIT_MAX}")))
    }

    /// `cursor`: the row that the page follows.
    pub(crate) fn cursor(&self, list: ListDigest) -> Result<Option<Key>, Problem> {
        let key = self.get(Parameter::Cursor).map(|text| cursor::read(list, text)).transpose();
        key.map_err(|error| malformed(error.to_string()))
    }

    /// `order`.
    pub(crate) fn direction(&self) -> Result<Direction, Problem> {
        match self.get(Parameter::Order) {
            None | Some("desc") => Ok(Direction::NewestFirst),
            Some("asc") => Ok(Direction::OldestFirst),
            Some(_) => Err(malformed("`order` must be asc or desc")),
        }
    }

    /// What is wanted of a list: `kind` and `status`.
    pub(crate) fn filter(&self) -> Result<Filter, Problem> {
        let kind = self.get(Parameter::Kind).map(str::parse).transpose();
        let status = self.get(Parameter::Status).map(str::parse).transpose();
        Ok(Filter {
            kind: kind.map_err(|error| malformed(format!("`kind` {error}")))?,
            status: status.map_err(|error| malformed(format!("`status` {error}")))?,
        })
    }

    /// `by`.
    pub(crate) fn by(&self) -> Result<Option<Period>, Problem> {
        let Some(text) = self.get(Parameter::By) else { return Ok(None) };
        let found = Period::ALL.into_iter().find(|period| period.as_str() == text);
        found.map(Some).ok_or_else(|| malformed("`by` must be hour, day or month"))
    }

    /// `partial`.
    pub(crate) fn partial(&self) -> Result<bool, Problem> {
        self.flag(Parameter::Partial)
    }

    /// The position that a header has named, which a client that begins a stream again has seen since, or `since`; nothing for `now`.
    pub(crate) fn since(&self, last_seen: Option<&str>) -> Result<Option<Receipt>, Problem> {
        match last_seen.or(self.get(Parameter::Since)) {
            None | Some(BEGINNING) => Ok(Some(Receipt::default())),
            Some("now") => Ok(None),
            Some(text) => {
                let parsed = text.trim().parse().map(Some);
                parsed.map_err(|_| malformed("`since` must be 0, now, or a `next` that Forebay gave"))
            }
        }
    }

    /// `as_placed`.
    pub(crate) fn shown(&self) -> Result<Shown, Problem> {
        Ok(if self.flag(Parameter::AsPlaced)? { Shown::AsPlaced } else { Shown::Now })
    }

    fn flag(&self, parameter: Parameter) -> Result<bool, Problem> {
        match self.get(parameter) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(malformed(format!("`{}` must be true or false", parameter.name()))),
        }
    }

    /// `rows`: whether they are items.
    pub(crate) fn is_by_item(&self) -> Result<bool, Problem> {
        match self.get(Parameter::Rows) {
            None | Some("orders") => Ok(false),
            Some("items") => Ok(true),
            Some(_) => Err(malformed("`rows` must be orders or items")),
        }
    }

    /// `after` and `wait_ms`. The receipt may stand in a header too; the parameter is preferred.
    pub(crate) fn patience(&self, headers: &HeaderMap) -> Result<Patience, Problem> {
        let (name, text) = match (self.get(Parameter::After), headers.get(AFTER)) {
            (Some(text), _) => ("`after`", text),
            (None, Some(header)) => ("the header Forebay-After", header.to_str().unwrap_or_default()),
            (None, None) => ("", ""),
        };
        let receipt = match name {
            "" => Receipt::default(),
            _ => text.trim().parse().map_err(|error| malformed(format!("{name} {error}")))?,
        };
        Ok(Patience::new(receipt, self.wait()?.unwrap_or(Duration::from_millis(WAIT_MS_DEFAULT))))
    }

    /// `wait_ms`.
    pub(crate) fn wait(&self) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.get(Parameter::WaitMs) else { return Ok(None) };
        let wait_ms = number(text).filter(|wait_ms| *wait_ms <= WAIT_MS_MAX);
        let wait_ms =
            wait_ms.ok_or_else(|| malformed(format!("`wait_ms` must be an integer from 0 to {WAIT_MS_MAX}")))?;
        Ok(Some(Duration::from_millis(wait_ms)))
    }
}

/// Digits only: Rust's parser would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A `+` that was not escaped arrives as a space; in an offset it can only have been a plus.
fn with_plus(text: &str) -> String {
    match text.len().checked_sub("+00:00".len()) {
        Some(offset) if text.as_bytes()[offset] == b' ' => format!("{}+{}", &text[..offset], &text[offset + 1..]),
        _ => text.to_owned(),
    }
}

fn malformed(detail: impl Into<String>) -> Problem {
    Problem::malformed(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<QueryString, Problem> {
        QueryString::read(&format!("/v1/orders?{query}").parse().unwrap(), Route::GetOrders)
    }

    fn refused<T>(query: &str, part: impl FnOnce(&QueryString) -> Result<T, Problem>) -> String {
        match read(query).and_then(|string| part(&string).map(drop)) {
            Err(problem) => {
                assert_eq!(problem.status().as_u16(), 400);
                problem.detail().to_owned()
            }
            Ok(()) => panic!("{query} was taken"),
        }
    }

    #[test]
    fn each_mistake_is_one_sentence() {
        let span = |query| refused(query, QueryString::span);
        assert_eq!(span("from=yesterday"), "`from` must be an RFC 3339 date and time, such as 2025-06-30T12:30:00Z");
        assert_eq!(span("to=2025-06-30T12:30:00"), "`to` needs an offset, such as `Z` or `+02:00`");
        assert_eq!(span("from=2025-07-01T00:00:00Z&to=2025-07-01T00:00:00Z"), "`from` must be before `to`");
        for limit in ["0", "1001", "-1", "+5", "ten", "", "99999999999999999999"] {
            let detail = refused(&format!("limit={}", limit.replace('+', "%2B")), QueryString::limit);
            assert_eq!(detail, "`limit` must be an integer from 1 to 1000");
        }
        assert_eq!(refused("order=up", QueryString::direction), "`order` must be asc or desc");
        assert_eq!(refused("kind=Sale", QueryString::filter), "`kind` must be `sale` or `return`");
        let statuses = "placed, confirmed, packed, shipped, delivered, cancelled, returned";
        assert_eq!(refused("status=open", QueryString::filter), format!("`status` must be one of {statuses}"));
        assert_eq!(refused("partial=1", QueryString::partial), "`partial` must be true or false");
        assert!(refused("form=x", |_| Ok(())).starts_with("there is no parameter `form` here: there are from, to,"));
        assert_eq!(refused("limit=1&limit=2", |_| Ok(())), "`limit` stands there twice");
        let patience = |string: &QueryString| string.patience(&HeaderMap::new());
        assert_eq!(refused("after=x", patience), "`after` is not a receipt that Forebay gave");
        assert_eq!(refused("after=", patience), "`after` is not a receipt that Forebay gave");
        assert_eq!(refused("wait_ms=60001", patience), "`wait_ms` must be an integer from 0 to 60000");
    }

    #[test]
    fn a_receipt_may_stand_in_a_header() {
        let headers = HeaderMap::from_iter([(AFTER.parse().unwrap(), "l1.a.7".parse().unwrap())]);
        let receipt = |query| read(query).unwrap().patience(&headers).unwrap().receipt.to_string();
        assert_eq!((receipt(""), receipt("after=l2.a.9")), ("l1.a.7".to_owned(), "l2.a.9".to_owned()));
    }

    #[test]
    fn an_offset_s_plus_need_not_be_escaped() {
        let string = read("from=2025-06-30T14:30:00+02:00&to=2025-06-30T12:30:00.5Z").unwrap();
        let span = string.span().unwrap();
        assert_eq!(span.to.unix_us() - span.from.unix_us(), 500_000);
    }

    #[test]
    fn the_ends_of_time_are_bounds() {
        let span = |query| read(query).unwrap().span().unwrap();
        assert!(span("from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59Z").to > span("from=2025-01-01T00:00:00Z").from);
        assert!(span("from=9999-12-31T23:59:58Z&to=9999-12-31T23:59:59Z").from.unix_us() > 0);
    }
}
