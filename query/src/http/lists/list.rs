//! A list of orders, by the page or as a whole: what all endpoints of lists do.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::Response;
use forebay_api::Route;
use forebay_model::ShardMap;
use forebay_service::Problem;
use forebay_shard::read::{OtherSide, Scope, Subject};
use http::request::Parts;
use http::{HeaderMap, Uri, Version};

use crate::http::lists::export::ExportRequest;
use crate::http::lists::page::PageRequest;
use crate::http::lists::totals::TotalsRequest;
use crate::http::request::partial;
use crate::reader::{Closed, Reader, other_side};

/// What a request to a list says beside its path.
pub(crate) struct ListRequest {
    reader: Reader,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
}

/// What of a list is in sight: nothing, where all of it is out of it.
pub(crate) type InSight = Result<Option<Subject>, OtherSide>;

impl FromRequestParts<Closed> for ListRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, closed: &Closed) -> Result<Self, Problem> {
        let reader = Reader::from_request_parts(parts, closed).await?;
        let Parts { uri, version, headers, .. } = parts;
        Ok(Self { reader, uri: uri.clone(), version: *version, headers: headers.clone() })
    }
}

impl ListRequest {
    /// The shard map as it stands.
    ///
    /// # Errors
    /// The problem `not_ready` before there is one.
    pub(crate) fn map(&self) -> Result<Arc<ShardMap>, Problem> {
        self.reader.app.map()
    }

    /// Answers with a page of a list or with all of it. `names` are its kind and whatever it is of; `subject` says what of it is in sight.
    ///
    /// # Errors
    /// What is wrong with the request, or why it cannot be answered now.
    pub(crate) async fn answer(
        self,
        route: Route,
        names: &[&str],
        subject: impl FnOnce(&Scope, &ShardMap) -> InSight,
    ) -> Result<Response, Problem> {
        let uri = self.uri.clone();
        let answered = self.page_or_all(route, names, subject).await;
        answered.map_err(|problem| partial::advise(problem, &uri, route))
    }

    async fn page_or_all(
        self,
        route: Route,
        names: &[&str],
        subject: impl FnOnce(&Scope, &ShardMap) -> InSight,
    ) -> Result<Response, Problem> {
        let Self { reader: Reader { app, scope }, uri, version, headers } = self;
        if let Some(export) = ExportRequest::parse(&uri, version, &headers, route)? {
            let map = app.map()?;
            let subject = subject(&scope, &map).map_err(other_side)?;
            return export.answer(&app, &map, subject).await;
        }
        let page = PageRequest::parse(&uri, headers, route, &scope, names)?;
        let map = app.map()?;
        let subject = subject(&scope, &map).map_err(other_side)?;
        page.answer(&app, &map, subject).await
    }

    /// Answers with what the orders of a list come to, likewise.
    ///
    /// # Errors
    /// As [`ListRequest::answer`].
    pub(crate) async fn totals(
        self,
        route: Route,
        names: &[&str],
        subject: impl FnOnce(&Scope, &ShardMap) -> InSight,
    ) -> Result<Response, Problem> {
        let Self { reader: Reader { app, scope }, uri, headers, .. } = self;
        let totals = TotalsRequest::parse(&uri, headers, route, &scope, names)?;
        let map = app.map()?;
        let subject = subject(&scope, &map).map_err(other_side)?;
        let answered = totals.answer(&app, &map, subject).await;
        answered.map_err(|problem| partial::advise(problem, &uri, route))
    }
}
