//! The routes, and what their bodies may be.

pub(crate) mod batch;
pub(crate) mod media;
pub(crate) mod order;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use forebay_service::Problem;

/// Refuses parameters, since there are none: whoever writes `?dry_run=true` must not find the order stored.
pub(crate) async fn without_parameters(request: Request, next: Next) -> Result<Response, Problem> {
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        return Err(Problem::malformed("there are no parameters here"));
    }
    Ok(next.run(request).await)
}
