//! The same ids in several tenants are several of everything, and none is told of another.

use std::io::Write;

use forebay_api::route::{Method, Role};
use forebay_api::{Right, Route};
use forebay_e2e::System;
use forebay_stack::{Durability, ServiceName};
use forebay_testkit::eventually;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::bound::sha256;

/// Whom the office asks for: nobody's, and those of two tenants.
const TENANTS: [&str; 3] = ["", "red", "blue é"];

struct Scene {
    system: System,
    http: Client,
    _clients: NamedTempFile,
}

/// What a tenant was answered to what it has sent.
struct Sent {
    tenant: &'static str,
    /// The receipts of an order, a batch of orders, an event, and a batch of events.
    receipts: Vec<String>,
    /// The id of an order that had none.
    assigned: String,
}

impl Scene {
    async fn start() -> Self {
        let mut clients = NamedTempFile::new().unwrap();
        for (name, rights, tenant) in [
            ("office", "'read', 'write', 'ops'", ""),
            ("red", "'read', 'write'", "tenant = 'red'"),
            ("customer", "'read', 'write'", "tenant = 'red'\ncustomer = 'C'"),
            ("customer of none", "'read', 'write'", "customer = 'C'"),
        ] {
            let key = sha256(name);
            writeln!(clients, "[[client]]\nname = '{name}'\nkey_sha256 = '{key}'\nrights = [{rights}]\n{tenant}")
                .unwrap();
        }
        let path = clients.path().to_str().unwrap();
        let system = System::start(2, Durability::Fast, &[("FOREBAY_CLIENTS_FILE", path)]).await.unwrap();
        Self { system, http: Client::new(), _clients: clients }
    }

    fn request(&self, client: &str, tenant: &str, method: Method, role: Role, path: &str) -> RequestBuilder {
        let service = match role {
            Role::Ingest => ServiceName::Ingest,
            Role::Writer => ServiceName::Writer,
            Role::Query => ServiceName::Query,
        };
        let url = self.system.url(service, path);
        let request = match method {
            Method::Get => self.http.get(url),
            Method::Post => self.http.post(url),
        };
        let request = request.bearer_auth(client);
        if tenant.is_empty() { request } else { request.header("forebay-tenant", tenant) }
    }

    async fn get(&self, tenant: &str, path: &str) -> Response {
        self.request("office", tenant, Method::Get, Role::Query, path).send().await.unwrap()
    }

    async fn json(&self, tenant: &str, path: &str) -> Value {
        self.get(tenant, path).await.json().await.unwrap()
    }

    async fn post(&self, tenant: &str, path: &str, key: &str, media_type: &str, body: &str) -> Value {
        let mut last = Value::Null;
        eventually("it is accepted", async || {
            let request = self.request("office", tenant, Method::Post, Role::Ingest, path);
            let request = request.header("content-type", media_type).header("idempotency-key", key);
            let answer = request.body(body.to_owned()).send().await.unwrap();
            let status = answer.status().as_u16();
            last = answer.json().await.unwrap();
            (status == 202, last.clone())
        })
        .await;
        last
    }

    /// Sends what every tenant sends: the same ids, times and keys, and what is that tenant's alone.
    async fn send(&self, number: usize, tenant: &'static str) -> Sent {
        let of = format!("of-{number}-");
        let price = 100 + number;
        let order = |id: Value| {
            json!({"order_id": id, "customer_id": "C", "timestamp": "2025-06-30T12:30:00Z", "currency": "EUR", "note": of,
                "items": [{"sku": "A", "quantity": 1, "price": price, "seller_id": "S"}]})
        };
        let event = |order_id: &str, event_id: &str| {
            json!({"order_id": order_id, "customer_id": "C", "event_id": event_id, "kind": "note", "at": "2025-07-01T08:00:00Z",
                "note": of})
        };
        let (json_type, lines) = ("application/json", "application/x-ndjson");
        let placed = self.post(tenant, "/v1/orders", "one", json_type, &order("O1".into()).to_string()).await;
        let assigned = self.post(tenant, "/v1/orders", "two", json_type, &order(Value::Null).to_string()).await;
        let batch = format!("{}\n{}\n", order("O2".into()), order("O3".into()));
        let batch = self.post(tenant, "/v1/orders/batch", "three", lines, &batch).await;
        let noted = event("O1", "E1").to_string();
        let noted = self.post(tenant, "/v1/orders/O1/events", "five", json_type, &noted).await;
        let events = format!("{}\n{}\n", event("O1", "E2"), event("O2", "E1"));
        let events = self.post(tenant, "/v1/events/batch", "four", lines, &events).await;
        let receipt = |accepted: &Value| accepted["receipt"].as_str().unwrap().to_owned();
        let receipts = [&placed, &batch, &noted, &events, &assigned].map(receipt).to_vec();
        Sent { tenant, receipts, assigned: assigned["order_id"].as_str().unwrap().to_owned() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_ids_in_several_tenants_are_several_of_everything() {
    let scene = Scene::start().await;
    let mut all = Vec::new();
    for (number, tenant) in TENANTS.into_iter().enumerate() {
        all.push(scene.send(number, tenant).await);
    }
    for Sent { tenant, receipts, .. } in &all {
        for (receipt, orders) in receipts.iter().zip([1, 2, 1, 2, 1]) {
            eventually("everything is stored and derived", async || {
                let report = scene.json(tenant, &format!("/v1/receipts/{receipt}")).await;
                (report["derived"] == true && report["stored"] == orders && report["dead_in_all"] == 0, report)
            })
            .await;
            for other in TENANTS.iter().filter(|other| *other != tenant) {
                let told = scene.get(other, &format!("/v1/receipts/{receipt}")).await;
                assert_eq!(told.status(), 404, "{other:?} asks for a receipt of {tenant:?}");
            }
        }
    }
    for (number, Sent { tenant, assigned, .. }) in all.iter().enumerate() {
        let (of, price) = (format!("of-{number}-"), 100 + number);
        // Twice: the second answer is the cache's.
        for time in 0..2 {
            for path in ["/v1/orders", "/v1/customers/C/orders", "/v1/sellers/S/orders", "/v1/orders?order=asc&limit=9"]
            {
                let page = scene.json(tenant, path).await;
                let orders = page["data"].as_array().unwrap();
                assert_eq!(orders.len(), 4, "{tenant:?} {path}, time {time}: {page}");
                let is_own = |order: &Value| order["items"][0]["price"] == price;
                assert!(orders.iter().all(is_own), "{tenant:?} {path}, time {time}: {page}");
            }
            for path in
                ["/v1/orders/totals", "/v1/customers/C/totals", "/v1/sellers/S/totals", "/v1/sellers/S/totals?by=hour"]
            {
                let totals = scene.json(tenant, path).await;
                let sum = &totals["data"][0];
                assert_eq!((&sum["count"], &sum["net"]), (&json!(4), &json!(4 * price)), "{tenant:?} {path}: {totals}");
            }
            for path in [&*format!("/v1/orders/{assigned}"), "/v1/orders/O1", "/v1/customers/C/orders/O3"] {
                assert_eq!(scene.json(tenant, path).await["note"], *of, "{tenant:?} {path}, time {time}");
            }
            for path in ["/v1/orders/O1/events", "/v1/customers/C/orders/O1/events"] {
                let events = scene.json(tenant, path).await;
                let notes: Vec<_> = events["data"].as_array().unwrap().iter().map(|event| &event["note"]).collect();
                assert_eq!(notes, [&*of, &*of], "{tenant:?} {path}: {events}");
            }
        }
        let body = json!({"ids": ["O1", "O2", assigned, "O9"]}).to_string();
        let lookup = scene.request("office", tenant, Method::Post, Role::Query, "/v1/orders/lookup").body(body);
        let found: Value = lookup.send().await.unwrap().json().await.unwrap();
        let notes: Vec<_> = found["data"].as_array().unwrap().iter().map(|order| &order["note"]).collect();
        assert_eq!(notes, [&json!(of), &json!(of), &json!(of), &Value::Null], "{found}");
        let changes = scene.json(tenant, "/v1/changes?since=0&limit=100").await;
        let changes = changes["data"].as_array().unwrap();
        assert_eq!(changes.len(), 7, "four orders and three events: {changes:?}");
        assert!(changes.iter().all(|change| change["order"]["note"] == *of || change["event"]["note"] == *of));
        for accept in ["application/x-ndjson", "text/csv"] {
            let export =
                scene.request("office", tenant, Method::Get, Role::Query, "/v1/orders").header("accept", accept);
            let text = export.send().await.unwrap().text().await.unwrap();
            let is_header = usize::from(accept == "text/csv");
            assert_eq!(text.lines().count(), 4 + is_header, "{tenant:?}: {text}");
            assert_eq!(text.matches(&of).count(), 4, "{tenant:?}: {text}");
        }
        let shown = scene.get(tenant, "/v1/orders?limit=1").await;
        let tag = shown.headers()["etag"].clone();
        let cursor = shown.json::<Value>().await.unwrap()["next_cursor"].as_str().unwrap().to_owned();
        for other in TENANTS.iter().filter(|other| *other != tenant) {
            let page = scene.get(other, &format!("/v1/orders?limit=1&cursor={cursor}")).await;
            assert_eq!(page.status(), 400, "a cursor of {tenant:?} in {other:?}");
            let request = scene.request("office", other, Method::Get, Role::Query, "/v1/orders?limit=1");
            let answer = request.header("if-none-match", &tag).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{other:?} is given what it has not, whatever {tenant:?} was shown");
        }
    }
    let own = |client: &'static str, path: &'static str| {
        let request = scene.request(client, "", Method::Get, Role::Query, path);
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    for client in ["red", "customer"] {
        let totals = own(client, "/v1/orders/totals").await;
        assert_eq!(totals["data"][0]["net"], 404, "{client} need not name its tenant: {totals}");
    }
    let receipt = &all[1].receipts[0];
    let asks = async |client| {
        let request = scene.request(client, "", Method::Get, Role::Query, &format!("/v1/receipts/{receipt}"));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!((asks("red").await, asks("customer").await), (200, 404), "the customer has not sent it");
    scene.system.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_bound_to_a_tenant_can_name_no_other_one_on_any_route() {
    let scene = Scene::start().await;
    for &route in Route::ALL {
        let Some((role, right)) = route.door() else { continue };
        let path = ["order_id", "customer_id", "key", "receipt"]
            .iter()
            .fold(route.path().replace("{view}", "sellers"), |path, name| path.replace(&format!("{{{name}}}"), "x"));
        for (client, tenant, detail) in [
            ("red", "blue", "not to the tenant \"blue\""),
            ("customer", "blue", "not to the tenant \"blue\""),
            ("customer of none", "red", "not to the tenant \"red\""),
            ("red", " ", "must not be empty"),
            ("office", " ", "must not be empty"),
        ] {
            let answer = scene.request(client, tenant, route.method(), role, &path).body("{}").send().await.unwrap();
            let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
            let has_right = client == "office" || right != Right::Ops;
            let expected = if detail.starts_with("must") && has_right { 400 } else { 403 };
            assert_eq!(status, expected, "{client} in {tenant:?} on {route}: {text}");
            assert!(!has_right || text.contains(&detail.replace('"', "\\\"")), "{route}: {text}");
        }
        let known = scene.request("red", "red", route.method(), role, &path).body("{}").send().await.unwrap();
        let text = known.text().await.unwrap();
        assert!(!text.contains("not to the tenant"), "{route}: {text}");
        let twice = scene.request("office", "red", route.method(), role, &path).header("forebay-tenant", "red");
        assert_eq!(twice.body("{}").send().await.unwrap().status(), 400, "{route}");
    }
    scene.system.stop().await.unwrap();
}
