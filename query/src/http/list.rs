//! A list of orders, by the page or as a whole: what all endpoints of lists do.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::Response;
use forebay_api::Route;
use forebay_model::{Bucket, ShardId, ShardMap, Tenant};
use forebay_service::Problem;
use forebay_shard::read::Subject;
use http::request::Parts;
use http::{HeaderMap, Uri, Version};

use crate::app::App;
use crate::http::export::ExportRequest;
use crate::http::page::PageRequest;
use crate::http::totals::TotalsRequest;

/// What a request to a list says beside its path.
pub(crate) struct ListRequest {
    app: App,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    is_building: bool,
}

impl FromRequestParts<App> for ListRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let Parts { uri, version, headers, .. } = parts;
        Ok(Self { app: app.clone(), uri: uri.clone(), version: *version, headers: headers.clone(), is_building: false })
    }
}

impl ListRequest {
    /// The shard map as it stands.
    ///
    /// # Errors
    /// The problem `not_ready` before there is one.
    pub(crate) fn map(&self) -> Result<Arc<ShardMap>, Problem> {
        self.app.map()
    }

    /// The same; it says whether the list is of a view that is building.
    pub(crate) fn of_building(self, is_building: bool) -> Self {
        Self { is_building, ..self }
    }

    /// Answers with a page of a tenant's list or with all of it. `names` are its kind and whatever it is
    /// of; `reads` gives the shards that have something of it, each with the subject to read there.
    ///
    /// # Errors
    /// What is wrong with the request, or why it cannot be answered now.
    pub(crate) async fn answer(
        self,
        route: Route,
        tenant: &Tenant,
        names: &[&str],
        reads: impl FnOnce(&ShardMap) -> Vec<(ShardId, Subject)>,
    ) -> Result<Response, Problem> {
        let Self { app, uri, version, headers, is_building } = self;
        if let Some(export) = ExportRequest::parse(&uri, version, &headers, route, tenant)? {
            let reads = reads(&*app.map()?);
            return export.answer(&app, reads, is_building).await;
        }
        let page = PageRequest::parse(&uri, headers, route, tenant, names)?;
        let map = app.map()?;
        let reads = reads(&map);
        page.answer(&app, &map, reads, is_building).await
    }
}

impl ListRequest {
    /// Answers with what the orders of a tenant's list come to, likewise.
    ///
    /// # Errors
    /// As [`ListRequest::answer`].
    pub(crate) async fn totals(
        self,
        route: Route,
        tenant: &Tenant,
        names: &[&str],
        reads: impl FnOnce(&ShardMap) -> Vec<(ShardId, Subject)>,
    ) -> Result<Response, Problem> {
        let Self { app, uri, headers, is_building, .. } = self;
        let totals = TotalsRequest::parse(&uri, headers, route, tenant, names)?;
        let map = app.map()?;
        totals.answer(&app, &map, reads(&map), is_building).await
    }
}

/// Every shard that has something of a bucket, with the subject to read there.
pub(crate) fn in_bucket(map: &ShardMap, bucket: Bucket, subject: &Subject) -> Vec<(ShardId, Subject)> {
    map.read_shards(bucket).iter().map(|&shard| (shard, subject.clone())).collect()
}
