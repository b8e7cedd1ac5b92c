//! `GET /v1/{view in the plural}/{key}/orders`: the orders of a seller, a warehouse, …, as each sees them: with only its
//! items, and their subtotal.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use forebay_model::id::check_id;
use forebay_model::{Bucket, ShardId, ShardMap, ViewSet};
use forebay_service::extract::Path;
use forebay_service::{BadSetting, Problem};
use forebay_shard::read::Subject;
use http::{HeaderMap, Uri, Version};

use crate::app::App;
use crate::http::export::ExportRequest;
use crate::http::page::PageRequest;
use crate::http::query_string::LIST;

/// What paths already stand for.
const RESERVED: [&str; 2] = ["customers", "orders"];

/// Adds a route for each view.
///
/// # Errors
/// [`BadSetting`] where a view's path is another one's.
pub(crate) fn add_routes(mut routes: Router<App>, views: &ViewSet) -> Result<Router<App>, BadSetting> {
    let mut paths: Vec<String> = Vec::new();
    for view in views.iter() {
        let (name, plural) = (Arc::clone(view.name()), view.plural());
        if RESERVED.contains(&plural.as_str()) || paths.contains(&plural) {
            return Err(BadSetting::new(format!(
                "--views: view `{name}` cannot be read under /v1/{plural}, which is taken"
            )));
        }
        let path = format!("/v1/{plural}/{{key}}/orders");
        paths.push(plural);
        routes = routes.route(
            &path,
            get(move |app: State<App>, key: Path<String>, uri: Uri, version: Version, headers: HeaderMap| {
                get_orders(name, app, key, uri, version, headers)
            }),
        );
    }
    Ok(routes)
}

/// A page of what a key of a view sees, or all of it.
async fn get_orders(
    view: Arc<str>,
    State(app): State<App>,
    Path(key): Path<String>,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_id(&key).map_err(|error| Problem::malformed(format!("a {view} id {error}")))?;
    if let Some(export) = ExportRequest::parse(&uri, version, &headers, LIST)? {
        return export.answer(&app, reads(&*app.map()?, view, key)).await;
    }
    let request = PageRequest::parse(&uri, &headers, LIST, &["view", &view, &key])?;
    let map = app.map()?;
    request.answer(&app, &map, reads(&map, view, key)).await
}

/// What to read of each shard that has what the key sees.
fn reads(map: &ShardMap, view: Arc<str>, key: String) -> Vec<(ShardId, Subject)> {
    let bucket = Bucket::of_key(&key);
    let subject = Subject::View { view, key: key.into() };
    map.read_shards(bucket).iter().map(|&shard| (shard, subject.clone())).collect()
}
