//! Lists: a page of orders, whoever's they are.

use bytes::Bytes;
use forebay_model::ShardId;
use http::{HeaderMap, Uri};

use crate::answer::{LIST_START, push_fact, push_list_end};
use crate::cursor::{self, ListDigest};
use crate::error::ReadError;
use crate::merge::Merge;
use crate::query_string::QueryString;
use crate::read_at::ReadAt;
use crate::scan::{Scan, Subject};
use crate::shards::Shards;
use crate::wait::Patience;

/// A page ends behind the order that exceeds this many bytes, however many were asked for.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// A page that is asked for.
#[derive(Debug)]
pub(crate) struct PageRequest {
    /// What its cursors are bound to.
    list: ListDigest,
    scan: Scan,
    limit: usize,
    patience: Patience,
}

/// A page as it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) body: Bytes,
    pub(crate) read_at: ReadAt,
}

impl PageRequest {
    /// What a request to a list asks for. `names` are the list's kind and whatever it is of.
    pub(crate) fn parse(uri: &Uri, headers: &HeaderMap, known: &[&str], names: &[&str]) -> Result<Self, ReadError> {
        let query = QueryString::read(uri, known)?;
        let (direction, span, partial) = (query.direction()?, query.span()?, query.partial()?);
        let list = ListDigest::new(names, span, direction);
        let last = query.cursor(list)?.unwrap_or_else(|| span.start(direction));
        let scan = Scan { direction, span, last, partial };
        Ok(Self { list, scan, limit: query.limit()?, patience: query.patience(headers)? })
    }

    /// Reads the page from these shards, each with the subject to read there.
    pub(crate) async fn read(self, shards: &Shards, reads: Vec<(ShardId, Subject)>) -> Result<Page, ReadError> {
        let Self { list, scan, limit, patience } = self;
        let mut merge = Merge::new(shards, reads, &scan, patience)?;
        let mut body = LIST_START.to_vec();
        let mut last = None;
        for place in 0..limit {
            // One more than the page, to know whether the list goes on.
            let Some(row) = merge.next(limit + 1 - place).await? else { break };
            if last.is_some() {
                body.push(b',');
            }
            push_fact(&mut body, &row.fact());
            last = Some(row);
            if body.len() > PAGE_BYTES_MAX {
                break;
            }
        }
        let has_more = last.is_some() && merge.has_more().await?;
        let next = last.filter(|_| has_more).map(|row| cursor::write(list, row.key()));
        push_list_end(&mut body, next.as_deref(), merge.missing());
        let mut read_at = ReadAt::default();
        for source in merge.sources() {
            read_at.note(source.kind().lane(), source.shard_id(), source.position());
        }
        Ok(Page { body: body.into(), read_at })
    }
}
