//! A page of a list.

use std::sync::Arc;

use axum::response::Response;
use forebay_api::Route;
use forebay_model::ShardMap;
use forebay_service::Problem;
use forebay_shard::read::{OrderRow, Scope, Subject};
use futures::FutureExt;
use http::{HeaderMap, Uri};

use crate::answer::life::Shown;
use crate::answer::{LIST_START, push_list_end};
use crate::app::App;
use crate::cache::{CacheEntry, Watched};
use crate::error::ReadError;
use crate::http::lists::listed::{Listed, Reads};
use crate::http::request::query_string::QueryString;
use crate::list::cursor::{self, ListDigest};
use crate::list::merge::Merge;
use crate::list::scan::{Page, Scan};
use crate::position::patience::Patience;

/// A page ends behind the order that exceeds this many bytes, however many were asked for.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// A page that is asked for.
#[derive(Debug)]
pub(crate) struct PageRequest {
    /// What its cursors are bound to.
    list: ListDigest,
    listed: Listed,
    limit: usize,
    shown: Shown,
}

impl PageRequest {
    /// What a request to a list asks for. `names` are the list's kind and whatever it is of.
    pub(crate) fn parse(
        uri: &Uri,
        headers: HeaderMap,
        route: Route,
        scope: &Scope,
        names: &[&str],
    ) -> Result<Self, ReadError> {
        let query = QueryString::read(uri, route)?;
        if query.is_by_item()? {
            return Err(Problem::malformed(
                "a row for each item is a form of exports: ask for text/csv or application/x-ndjson",
            )
            .into());
        }
        let (direction, filter, span, partial) = (query.direction()?, query.filter()?, query.span()?, query.partial()?);
        let list = ListDigest::new(scope, names, span, direction, filter);
        let last = query.cursor(list)?.unwrap_or_else(|| span.start(direction));
        let scan = Scan { direction, filter, span, last, partial };
        let (limit, shown) = (query.limit()?, query.shown()?);
        let key = key(scope, names, &scan, limit, shown);
        let listed = Listed { key, scan, patience: query.patience(&headers)?, headers };
        Ok(Self { list, listed, limit, shown })
    }

    /// Answers with the page, of what is in sight of the list.
    pub(crate) async fn answer(
        &self,
        app: &App,
        map: &ShardMap,
        subject: Option<Subject>,
    ) -> Result<Response, Problem> {
        let read = |reads, patience| self.read(app, reads, patience).boxed();
        self.listed.answer(app, map, subject, read).await
    }

    async fn read(&self, app: &App, reads: Reads, patience: Patience) -> Result<CacheEntry, ReadError> {
        let scan = &self.listed.scan;
        let mut merge = Merge::new(app.shards(), reads, scan, patience)?;
        let mut body = LIST_START.to_vec();
        let mut last = None;
        for place in 0..self.limit {
            // One more than the page, to know whether the list goes on.
            let Some(row) = merge.next(self.limit + 1 - place).await? else { break };
            if last.is_some() {
                body.push(b',');
            }
            self.shown.push(&mut body, &row)?;
            last = Some(row);
            if body.len() > PAGE_BYTES_MAX {
                break;
            }
        }
        let has_more = last.is_some() && merge.has_more().await?;
        let next = last.as_ref().filter(|_| has_more).map(|row| cursor::write(self.list, row.key()));
        push_list_end(&mut body, next.as_deref(), merge.missing());
        let page = Page { end: last.as_ref().filter(|_| has_more).map(OrderRow::ordered_at) };
        let mut entry = CacheEntry {
            body: Some(body.into()),
            is_empty: last.is_none(),
            read_at: merge.read_at(),
            watched: Vec::new(),
            is_whole: merge.missing().is_empty() && merge.is_known(),
        };
        if let Some(watch) = merge.subject().map(|subject| scan.watch(subject, page)) {
            entry.watched.extend(entry.read_at.iter().map(|(stream, _)| Watched { stream, watch }));
        }
        Ok(entry)
    }
}

/// The key of a page in the cache: who sees less is answered from what was read for who sees as much. Scopes, names and ids have no line
/// breaks.
fn key(scope: &Scope, names: &[&str], scan: &Scan, limit: usize, shown: Shown) -> Arc<str> {
    let Scan { direction, filter, span, last, .. } = scan;
    let (from, to, at) = (span.from.unix_us(), span.to.unix_us(), last.ordered_at.unix_us());
    let (direction, shown) = (*direction as u8, shown as u8);
    let (names, order_id, customer_id) = (names.join("\n"), &last.order_id, &last.customer_id);
    format!("{scope}\n{names}\n{from}\n{to}\n{direction}\n{filter}\n{shown}\n{limit}\n{at}\n{order_id}\n{customer_id}")
        .into()
}
