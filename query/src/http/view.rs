//! `GET /v1/{view in the plural}/{key}/orders`: the orders of a seller, a warehouse, …, as each sees them: with only its
//! items, and their subtotal.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use forebay_model::id::check_id;
use forebay_model::{Bucket, ShardMap, ViewSet};
use forebay_service::extract::Path;
use forebay_service::{BadSetting, Problem};
use forebay_shard::read::Subject;

use crate::app::App;
use crate::http::list::{ListRequest, in_bucket};
use crate::http::query_string::LIST;
use crate::http::tenant;

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
        routes =
            routes.route(&path, get(move |key: Path<String>, request: ListRequest| get_orders(name, key, request)));
    }
    Ok(routes)
}

/// A page of what a key of a view sees, or all of it.
async fn get_orders(view: Arc<str>, Path(key): Path<String>, request: ListRequest) -> Result<Response, Problem> {
    check_id(&key).map_err(|error| Problem::malformed(format!("a {view} id {error}")))?;
    let tenant = tenant();
    let reads = |map: &ShardMap| {
        let bucket = Bucket::of_key(tenant, &key);
        let subject = Subject::View { bucket, view: Arc::clone(&view), key: Arc::from(key.as_str()) };
        in_bucket(map, bucket, &subject)
    };
    request.answer(LIST, tenant, &["view", &view, &key], reads).await
}
