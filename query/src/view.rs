//! `GET /v1/{view in the plural}/{key}/orders`: the orders of a seller, a warehouse, …, as each sees them: with only its
//! items, and their subtotal.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use forebay_model::id::check_id;
use forebay_model::{Bucket, ViewSet};
use forebay_service::extract::Path;
use forebay_service::{BadSetting, Problem};
use http::{HeaderMap, Uri};

use crate::app::App;
use crate::list::PageRequest;
use crate::query_string::LIST;
use crate::scan::Subject;

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
            get(move |app: State<App>, key: Path<String>, uri: Uri, headers: HeaderMap| {
                get_orders(name, app, key, uri, headers)
            }),
        );
    }
    Ok(routes)
}

/// A page of what a key of a view sees.
async fn get_orders(
    view: Arc<str>,
    State(app): State<App>,
    Path(key): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_id(&key).map_err(|error| Problem::malformed(format!("a {view} id {error}")))?;
    let request = PageRequest::parse(&uri, &headers, LIST, &["view", &view, &key])?;
    let map = app.map()?;
    let bucket = Bucket::of_key(&key);
    let subject = Subject::View { view, key: key.into() };
    let reads = map.read_shards(bucket).iter().map(|&shard| (shard, subject.clone())).collect();
    request.answer(&app, &map, reads).await
}
