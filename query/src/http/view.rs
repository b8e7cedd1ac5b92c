//! `GET /v1/{view in the plural}/{key}/orders`: the orders of a seller, a warehouse, …, as each sees them: with only its
//! items, and their subtotal. Which views there are stands in the map, and may change at any time.

use std::sync::Arc;

use axum::response::Response;
use forebay_api::Route;
use forebay_model::id::check_id;
use forebay_model::{Bucket, ShardId, ShardMap, ViewId, ViewState};
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
    let Seen { view, is_building } = Seen::by(&request, &plural, &key)?;
    // By its id: what was read of a view of that name that is no more says nothing of this one.
    let names = ["view", &view.to_string(), &key];
    request.of_building(is_building).answer(Route::GetOrdersOfView, tenant(), &names, reads(view, &key)).await
}

/// What the orders that a key of a view sees come to, as it sees them.
pub(crate) async fn get_totals(
    Path((plural, key)): Path<(String, String)>,
    request: ListRequest,
) -> Result<Response, Problem> {
    let Seen { view, is_building } = Seen::by(&request, &plural, &key)?;
    let names = ["view", &view.to_string(), &key];
    request.of_building(is_building).totals(Route::GetTotalsOfView, tenant(), &names, reads(view, &key)).await
}

/// The view that a path names.
struct Seen {
    view: ViewId,
    is_building: bool,
}

impl Seen {
    /// By its name in the plural, and one of its keys.
    fn by(request: &ListRequest, plural: &str, key: &str) -> Result<Self, Problem> {
        let map = request.map()?;
        let Some(found) = map.settings().views.read_under(plural) else { return Err(Problem::no_such_path()) };
        let name = found.view.spec.name();
        check_id(key).map_err(|error| Problem::malformed(format!("a {name} id {error}")))?;
        Ok(Self { view: found.view.id, is_building: found.state == ViewState::Building })
    }
}

/// Where the orders of a key are.
fn reads(view: ViewId, key: &str) -> impl FnOnce(&ShardMap) -> Vec<(ShardId, Subject)> {
    move |map| {
        let bucket = Bucket::of_key(tenant(), key);
        in_bucket(map, bucket, &Subject::View { bucket, view, key: Arc::from(key) })
    }
}
