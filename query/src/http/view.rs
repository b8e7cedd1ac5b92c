//! `GET /v1/{view in the plural}/{key}/orders`: the orders of a seller, a warehouse, …, as each sees them: with only its
//! items, and their subtotal. Which views there are stands in the map, and may change at any time.

use std::sync::Arc;

use axum::response::Response;
use forebay_api::Route;
use forebay_model::id::check_id;
use forebay_model::{Bucket, ShardMap, ViewState};
use forebay_service::Problem;
use forebay_service::extract::Path;
use forebay_shard::read::Subject;

use crate::http::list::{ListRequest, in_bucket};
use crate::http::tenant;

/// A page of what a key of a view sees, or all of it. Where there is no such view, there is no such path.
pub(crate) async fn get_orders(
    Path((plural, key)): Path<(String, String)>,
    request: ListRequest,
) -> Result<Response, Problem> {
    let map = request.map()?;
    let Some(found) = map.settings().views.read_under(&plural) else { return Err(Problem::no_such_path()) };
    let (id, name) = (found.view.id, found.view.spec.name());
    check_id(&key).map_err(|error| Problem::malformed(format!("a {name} id {error}")))?;
    let tenant = tenant();
    let reads = |map: &ShardMap| {
        let bucket = Bucket::of_key(tenant, &key);
        let subject = Subject::View { bucket, view: id, key: Arc::from(key.as_str()) };
        in_bucket(map, bucket, &subject)
    };
    // By its id: what was read of a view of that name that is no more says nothing of this one.
    let names = ["view", &id.to_string(), &key];
    request.of_building(found.state == ViewState::Building).answer(Route::GetOrdersOfView, tenant, &names, reads).await
}
