//! `GET /v1/{view in the plural}/{key}/orders`: the orders of a seller, a warehouse, …, as each sees them: with only its
//! items, and their subtotal. Which views there are stands in the map, and may change at any time.

use axum::response::Response;
use forebay_api::Route;
use forebay_model::ViewId;
use forebay_model::id::check_id;
use forebay_service::Problem;
use forebay_service::extract::Path;

use crate::http::lists::list::ListRequest;

/// A page of what a key of a view sees, or all of it. Where there is no such view, there is no such path.
pub(crate) async fn get_orders(
    Path((plural, key)): Path<(String, String)>,
    request: ListRequest,
) -> Result<Response, Problem> {
    let view = view_of(&request, &plural, &key)?;
    // By its id: what was read of a view of that name that is no more says nothing of this one.
    let names = ["view", &view.to_string(), &key];
    request.answer(Route::GetOrdersOfView, &names, |scope, _| scope.key(view, &key)).await
}

/// What the orders that a key of a view sees come to, as it sees them.
pub(crate) async fn get_totals(
    Path((plural, key)): Path<(String, String)>,
    request: ListRequest,
) -> Result<Response, Problem> {
    let view = view_of(&request, &plural, &key)?;
    let names = ["view", &view.to_string(), &key];
    request.totals(Route::GetTotalsOfView, &names, |scope, _| scope.key(view, &key)).await
}

/// The view that a path names by its plural, with one of its keys.
fn view_of(request: &ListRequest, plural: &str, key: &str) -> Result<ViewId, Problem> {
    let map = request.map()?;
    let Some(found) = map.settings().views.read_under(plural) else { return Err(Problem::no_such_path()) };
    let name = found.view.spec.name();
    check_id(key).map_err(|error| Problem::malformed(format!("a {name} id {error}")))?;
    Ok(found.view.id)
}
