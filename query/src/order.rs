//! One order: `GET /v1/orders/{order_id}` and `GET /v1/customers/{customer_id}/orders/{order_id}`.

use axum::extract::State;
use axum::response::Response;
use forebay_model::OrderId;
use forebay_service::Problem;
use forebay_service::extract::Path;
use http::{HeaderMap, Uri};

use crate::answer::push_fact;
use crate::app::App;
use crate::customer::customer_id_of;
use crate::lookup::Lookup;
use crate::query_string::{QueryString, READ};
use crate::read_at::ReadAt;
use crate::response;
use crate::row::FactRow;

/// The order with an id.
pub(crate) async fn get_order(
    State(app): State<App>,
    Path(order_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order_id = order_id_of(order_id)?;
    let query = QueryString::read(&uri, READ)?;
    query.partial()?;
    let map = app.map()?;
    let mut lookup = Lookup::new(app.shards(), &map, query.patience(&headers)?);
    let mut found = lookup.with_id(&order_id).await?;
    if found.len() > 1 {
        return Err(ambiguous(&order_id, found.into_keys().collect()));
    }
    match found.pop_first() {
        Some((_, row)) => Ok(order(&row, lookup.read_at())),
        None => Err(Problem::not_found(format!("there is no order {order_id}"))),
    }
}

/// A customer's order.
pub(crate) async fn get_order_of_customer(
    State(app): State<App>,
    Path((customer_id, order_id)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (customer_id, order_id) = (customer_id_of(customer_id)?, order_id_of(order_id)?);
    let query = QueryString::read(&uri, READ)?;
    query.partial()?;
    let map = app.map()?;
    let mut lookup = Lookup::new(app.shards(), &map, query.patience(&headers)?);
    match lookup.of_customer(&customer_id, &order_id).await? {
        Some(row) => Ok(order(&row, lookup.read_at())),
        None => Err(Problem::not_found(format!("customer {customer_id} has no order {order_id}"))),
    }
}

fn order_id_of(text: String) -> Result<OrderId, Problem> {
    OrderId::new(text).map_err(|error| Problem::malformed(format!("an order id {error}")))
}

fn order(row: &FactRow, read_at: &ReadAt) -> Response {
    let mut body = Vec::with_capacity(row.bytes() + 256);
    push_fact(&mut body, &row.fact());
    response::json(body.into(), read_at)
}

fn ambiguous(order_id: &OrderId, customers: Vec<String>) -> Problem {
    let detail = format!(
        "{} customers have an order {order_id}: read /v1/customers/{{customer_id}}/orders/{{order_id}}",
        customers.len()
    );
    Problem::ambiguous(detail).with("customers", customers)
}
