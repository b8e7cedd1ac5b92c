//! A server that takes orders as ingest does, and logs nothing: the same HTTP, the same checks, the same tuples and the same
//! answer, without the wait for the log. What is missing of ingest besides the log are its rate limits and its bound on
//! memory.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use forebay_api::AcceptedOrder;
use forebay_model::order::ORDER_TEXT_BYTES_MAX;
use forebay_model::{Currency, Facts, Hash, Incarnation, OrderParser, Position, Receipt, ShardMap, Tenant, Timestamp};
use forebay_service::{Client, Problem, Right, ServiceSettings, http as service_http};
use http::{HeaderMap, StatusCode, header};

use crate::dataset::SELLER_VIEW;

const BODY_DEADLINE: Duration = Duration::from_secs(20);
const AHEAD_MAX_US: i64 = 86_400_000_000;
const SHARDS: NonZeroU16 = NonZeroU16::new(3).expect("three");
/// A place in a log that looks like a real one.
const POSITION: Position = Position { incarnation: Incarnation::new(1_735_689_600_000_000), seq: 100_000 };

/// How the server is started.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Where it listens
    #[arg(long)]
    pub listen: SocketAddr,
    /// What every service has.
    #[command(flatten)]
    pub service: ServiceSettings,
}

struct App {
    parser: OrderParser,
    map: ShardMap,
}

/// Serves until it is told to stop.
pub fn run(settings: &Settings) -> ExitCode {
    forebay_service::run_http("forebay-bench-accepting", &settings.service, settings.listen, |service| {
        let parser = OrderParser::new(SELLER_VIEW.parse()?, Currency::DEFAULT, AHEAD_MAX_US);
        let app = Arc::new(App { parser, map: ShardMap::even(SHARDS, Hash::Md5) });
        let routes =
            Router::new().route("/v1/orders", post(post_order)).route_layer(service.clients.guard(Right::OrdersWrite));
        Ok(routes.with_state(app))
    })
}

async fn post_order(
    State(app): State<Arc<App>>,
    _client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
        return Err(Problem::unsupported_media_type("expected application/json"));
    }
    let bytes = service_http::read_whole(body, ORDER_TEXT_BYTES_MAX, BODY_DEADLINE).await?;
    let now = Timestamp::now();
    let draft = app.parser.parse(&bytes, now).map_err(|rejection| Problem::invalid(rejection.to_string()))?;
    let order = draft.settle(Tenant::none(), &app.map, now, 1);
    let mut facts = Facts::default();
    let shard = facts.add(&order, &app.map);
    let mut receipt = Receipt::default();
    for part in facts.into_parts() {
        receipt.note(part.lane.on(part.shard), POSITION);
    }
    let accepted = AcceptedOrder {
        order_id: order.order_id.to_string(),
        customer_id: order.customer_id().to_string(),
        timestamp: order.ordered_at.to_string(),
        shard,
        receipt: receipt.to_string(),
    };
    let body = serde_json::to_vec(&accepted).map_err(|error| Problem::invalid(error.to_string()))?;
    Ok((StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}
