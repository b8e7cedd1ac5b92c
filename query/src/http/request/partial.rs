//! `partial=true`: advised where it helps.

use forebay_api::Route;
use forebay_service::Problem;
use forebay_service::problem::Code;
use http::Uri;

use crate::http::request::query_string::QueryString;

/// Adds to a problem of shards that cannot be read that the rest of them can be, unless the request has said so already. Only for what can
/// be answered in part.
pub(crate) fn advise(problem: Problem, uri: &Uri, route: Route) -> Problem {
    let is_of_shards = problem.code() == Code::ShardUnavailable && problem.body().get("shards").is_some();
    let is_said = || QueryString::read(uri, route).and_then(|query| query.partial()).unwrap_or(true);
    if is_of_shards && !is_said() { problem.and("with partial=true the rest is answered") } else { problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_advised_for_shards_that_are_down_and_only_where_it_was_not_said() {
        let said = |problem: &Problem, uri: &str| {
            let problem = advise(problem.clone(), &uri.parse().unwrap(), Route::GetOrders);
            problem.detail().to_owned()
        };
        let down = Problem::shard_unavailable("shard 1 is down").with("shards", [1]);
        for uri in ["/v1/orders", "/v1/orders?partial=false&limit=1"] {
            assert_eq!(said(&down, uri), "shard 1 is down; with partial=true the rest is answered", "{uri}");
        }
        assert_eq!(said(&down, "/v1/orders?partial=true"), "shard 1 is down");
        for other in [Problem::shard_unavailable("orders are on their way"), Problem::not_ready("no map")] {
            assert_eq!(said(&other, "/v1/orders"), other.detail());
        }
    }
}
