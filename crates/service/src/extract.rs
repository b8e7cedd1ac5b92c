//! Path and query extractors that answer with problems where axum's own would answer with plain text.

use axum::extract::{FromRequestParts, rejection::PathRejection};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The parameters of the path, as [`axum::extract::Path`]; a path that does not fit is a problem.
#[derive(Debug, Clone)]
pub struct Path<T>(pub T);

/// The parameters of the query string, as [`axum::extract::Query`]; a query that does not fit is the problem
/// `malformed`.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(parameters)) => Ok(Self(parameters)),
            Err(PathRejection::FailedToDeserializePathParams(reason)) => Err(Problem::malformed(reason.body_text())),
            Err(reason) => Err(Problem::internal(reason.body_text())),
        }
    }
}

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(parameters)) => Ok(Self(parameters)),
            Err(reason) => Err(Problem::malformed(reason.body_text())),
        }
    }
}
