//! Who is bound sees that and nothing else: every route is asked by clients that are bound, over a system that has orders of others.
//!
//! Whatever belongs to others has `xother` in it. What a bound client asks must never bring that back, and asking for what others have is
//! answered as asking for what there is not at all.

use std::io::Write;

use forebay_api::Route;
use forebay_api::route::{Method, Role};
use forebay_e2e::System;
use forebay_stack::{Durability, ServiceName};
use forebay_testkit::eventually;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

/// In everything that is of other customers and sellers.
const OTHER: &str = "xother";
/// As long, and in nothing.
const NOBODY: &str = "xnobod";
/// What an item of others costs.
const OTHERS_PRICE: i64 = 987_654_321;

/// A system with orders of two customers and two sellers, and clients.
struct Scene {
    system: System,
    http: Client,
    /// Receipts of requests of the office for others: of orders, and of one that became a dead letter.
    receipts: Vec<String>,
    /// An order of the other customer whose id Forebay has assigned.
    assigned: String,
    _clients: NamedTempFile,
}

/// A question.
#[derive(Clone, Debug, PartialEq)]
struct Ask {
    method: Method,
    path: String,
    accept: &'static str,
    body: Option<(&'static str, String)>,
}

impl Ask {
    fn get(path: &str) -> Self {
        Self { method: Method::Get, path: path.to_owned(), accept: "", body: None }
    }

    fn post(path: &str, media_type: &'static str, body: &str) -> Self {
        Self { method: Method::Post, path: path.to_owned(), accept: "", body: Some((media_type, body.to_owned())) }
    }

    fn accepting(path: &str, accept: &'static str) -> Self {
        Self { accept, ..Self::get(path) }
    }

    /// The same of what is not there at all.
    fn of_nobody(&self) -> Self {
        let body = self.body.as_ref().map(|(media_type, body)| (*media_type, body.replace(OTHER, NOBODY)));
        Self { path: self.path.replace(OTHER, NOBODY), body, ..self.clone() }
    }

    /// The texts that the client has said itself: an answer may say them back.
    fn said(&self) -> Vec<String> {
        let body = self.body.as_ref().map_or("", |(_, body)| body.as_str());
        let texts = format!("{} {body}", self.path);
        let is_said = |text: &&str| text.contains(OTHER);
        let mut said: Vec<String> =
            texts.split(|c: char| !(c.is_alphanumeric() || c == '-')).filter(is_said).map(str::to_owned).collect();
        said.sort_by_key(|text| std::cmp::Reverse(text.len()));
        said
    }
}

/// An answer: status, headers but for those that differ each time, and what there is of the body.
#[derive(Debug, PartialEq)]
struct Answered {
    status: u16,
    headers: Vec<String>,
    body: String,
}

impl Scene {
    async fn start() -> Self {
        let mut clients = NamedTempFile::new().unwrap();
        let client = |name: &str, rights: &str, binding: &str| {
            let key = sha256(name);
            format!("[[client]]\nname = '{name}'\nkey_sha256 = '{key}'\nrights = [{rights}]\n{binding}\n")
        };
        let file = [
            client("office", "'read', 'write', 'ops'", ""),
            client("customer", "'read', 'write'", "customer = 'own-C'"),
            client("seller", "'read'", "seller = 'own-S'"),
            client("lost", "'read'", "shelf = 'own-S'"),
            client("member", "'read', 'write'", "tenant = 'own-T'"),
            client("customer of a tenant", "'read', 'write'", "tenant = 'own-T'\ncustomer = 'own-C'"),
            client("seller of a tenant", "'read'", "tenant = 'own-T'\nseller = 'own-S'"),
        ];
        clients.write_all(file.concat().as_bytes()).unwrap();
        let path = clients.path().to_str().unwrap();
        let system = System::start(2, Durability::Fast, &[("FOREBAY_CLIENTS_FILE", path)]).await.unwrap();
        let (receipts, assigned) = (Vec::new(), String::new());
        let mut scene = Self { system, http: Client::new(), receipts, assigned, _clients: clients };
        scene.fill().await;
        scene
    }

    async fn fill(&mut self) {
        let item = |of: &str| json!({"sku": format!("{of}-A"), "quantity": 1, "price": if of == OTHER { OTHERS_PRICE } else { 5 }, "seller_id": format!("{of}-S")});
        let order = |id: &str, of: &str, items: &[Value]| {
            json!({"order_id": id, "customer_id": format!("{of}-C"), "timestamp": "2025-06-30T12:30:00Z", "currency": "EUR",
                "items": items, "note": format!("{of}-N")})
        };
        let mut assigned = order("", OTHER, &[item(OTHER)]);
        assigned["order_id"] = Value::Null;
        for order in [
            order("own-O1", "own", &[item("own")]),
            order("xother-O2", OTHER, &[item(OTHER)]),
            order("own-O3", "own", &[item("own"), item("shared")]),
            order("common-O", "own", &[item("own")]),
            order("common-O", OTHER, &[item(OTHER)]),
            assigned,
            // It conflicts with the first of that id.
            order("xother-O2", OTHER, &[item(OTHER), item(OTHER)]),
        ] {
            let accepted = self.office_posts("/v1/orders", &order).await;
            if order["customer_id"] == "xother-C" {
                self.receipts.push(accepted["receipt"].as_str().unwrap().to_owned());
            }
            if order["order_id"].is_null() {
                accepted["order_id"].as_str().unwrap().clone_into(&mut self.assigned);
            }
        }
        let back = |skus: &[&str]| {
            let item = |sku: &&str| json!({"sku": sku, "quantity": 1});
            json!({"kind": "returned", "items": skus.iter().map(item).collect::<Vec<_>>()})
        };
        let shipped = |of: &str| json!({"kind": "shipped", "carrier": format!("{of}-X")});
        for (order_id, of, event_id, more) in [
            ("own-O1", "own", "own-E", shipped("own")),
            ("xother-O2", OTHER, "xother-E", shipped(OTHER)),
            // What the other seller of the order has taken back is not for this one.
            ("own-O3", "own", "own-R", back(&["own-A", "shared-A"])),
            ("own-O3", "own", "shared-R", back(&["shared-A"])),
        ] {
            let mut event =
                json!({"event_id": event_id, "customer_id": format!("{of}-C"), "at": "2025-07-01T08:00:00Z"});
            event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let accepted = self.office_posts(&format!("/v1/orders/{order_id}/events"), &event).await;
            self.receipts.push(accepted["receipt"].as_str().unwrap().to_owned());
        }
        // The tenant's own, with the ids of another one.
        let of_tenant = self.posts("member", "/v1/orders", &order("own-O1", "own", &[item("own")])).await;
        let of_tenant = of_tenant["receipt"].as_str().unwrap();
        let receipts = self.receipts.iter().map(|receipt| ("office", receipt.as_str()));
        for (client, receipt) in receipts.chain([("member", of_tenant)]) {
            eventually("everything is stored and derived", async || {
                let asked = self.ask(client, Role::Query, &Ask::get(&format!("/v1/receipts/{receipt}"))).await;
                let report: Value = serde_json::from_str(&asked.body).unwrap();
                (report["derived"] == true, report)
            })
            .await;
        }
    }

    async fn office_posts(&self, path: &str, body: &Value) -> Value {
        self.posts("office", path, body).await
    }

    async fn posts(&self, client: &str, path: &str, body: &Value) -> Value {
        let ask = Ask::post(path, "application/json", &body.to_string());
        let mut last = Value::Null;
        eventually("it is accepted", async || {
            let answered = self.ask(client, Role::Ingest, &ask).await;
            last = serde_json::from_str(&answered.body).unwrap();
            (answered.status == 202, last.clone())
        })
        .await;
        last
    }

    /// Asks as a client that may, behind an `@`, name a tenant.
    async fn ask(&self, client: &str, role: Role, ask: &Ask) -> Answered {
        let service = match role {
            Role::Ingest => ServiceName::Ingest,
            Role::Writer => ServiceName::Writer,
            Role::Query => ServiceName::Query,
        };
        let url = self.system.url(service, &ask.path);
        let mut request = match ask.method {
            Method::Get => self.http.get(url),
            Method::Post => self.http.post(url),
        };
        if !ask.accept.is_empty() {
            request = request.header("accept", ask.accept);
        }
        if let Some((media_type, body)) = &ask.body {
            request = request.header("content-type", *media_type).body(body.clone());
        }
        let (client, tenant) = client.split_once('@').map_or((client, None), |(client, tenant)| (client, Some(tenant)));
        if let Some(tenant) = tenant {
            request = request.header("forebay-tenant", tenant);
        }
        Answered::of(request.bearer_auth(client).send().await.unwrap(), ask).await
    }

    /// Every way to ask on a route that a bound client might think of, each with what others have. The compiler asks for the ways of a new
    /// route here.
    fn asks(&self, route: Route) -> Vec<Ask> {
        let lists = |path: &str| {
            let json = ["", "?limit=1", "?order=asc&status=placed", "?kind=sale&as_placed=true"];
            let forms = [
                ("application/x-ndjson", ""),
                ("text/csv", ""),
                ("text/csv", "?rows=items"),
                ("application/vnd.apache.parquet", ""),
            ];
            let pages = json.map(|query| Ask::get(&format!("{path}{query}")));
            let exports = forms.map(|(accept, query)| Ask::accepting(&format!("{path}{query}"), accept));
            pages.into_iter().chain(exports).collect::<Vec<_>>()
        };
        let gets = |paths: &[String]| paths.iter().map(|path| Ask::get(path)).collect::<Vec<_>>();
        let ids = ["xother-O2", "common-O", &self.assigned, "own-O1", "own-O3"];
        match route {
            Route::PostOrder => vec![Ask::post("/v1/orders", "application/json", &order_of_other())],
            Route::PostOrders => vec![Ask::post("/v1/orders/batch", "application/x-ndjson", &order_of_other())],
            Route::PostEvent => [r#""customer_id":"xother-C","#, ""]
                .map(|customer| Ask::post("/v1/orders/xother-O2/events", "application/json", &event(customer, "")))
                .into(),
            Route::PostEvents => [r#""customer_id":"xother-C","#, ""]
                .map(|customer| {
                    let event = event(customer, r#""order_id":"xother-O2","#);
                    Ask::post("/v1/events/batch", "application/x-ndjson", &event)
                })
                .into(),
            Route::GetOrders => lists("/v1/orders"),
            Route::GetTotals => gets(&["/v1/orders/totals".to_owned(), "/v1/orders/totals?by=day".to_owned()]),
            Route::GetOrder => gets(&ids.map(|id| format!("/v1/orders/{id}"))),
            Route::GetEventsOfOrder => gets(&ids.map(|id| format!("/v1/orders/{id}/events"))),
            Route::PostLookup => {
                vec![Ask::post("/v1/orders/lookup", "application/json", &json!({"ids": ids}).to_string())]
            }
            Route::GetOrdersOfCustomer => lists("/v1/customers/xother-C/orders"),
            Route::GetOrderOfCustomer => gets(&ids.map(|id| format!("/v1/customers/xother-C/orders/{id}"))),
            Route::GetEventsOfOrderOfCustomer => {
                gets(&ids.map(|id| format!("/v1/customers/xother-C/orders/{id}/events")))
            }
            Route::GetTotalsOfCustomer => gets(&["/v1/customers/xother-C/totals".to_owned()]),
            Route::GetOrdersOfView => lists("/v1/sellers/xother-S/orders"),
            Route::GetTotalsOfView => gets(&["/v1/sellers/xother-S/totals?by=month".to_owned()]),
            Route::GetChanges => ["application/json", "application/x-ndjson", "text/event-stream"]
                .map(|accept| Ask::accepting("/v1/changes?since=0&limit=1000", accept))
                .into(),
            Route::GetReceipt => gets(
                &self.receipts.iter().map(|receipt| format!("/v1/receipts/{receipt}?wait_ms=1")).collect::<Vec<_>>(),
            ),
            Route::GetStats => gets(&["/v1/stats".to_owned()]),
            Route::GetStreams => gets(&["/v1/streams".to_owned()]),
            Route::Welcome
            | Route::Description
            | Route::Docs
            | Route::DocsViewer
            | Route::Livez
            | Route::Readyz
            | Route::Metrics => gets(&[route.path().to_owned()]),
        }
    }
}

impl Answered {
    async fn of(mut answer: Response, ask: &Ask) -> Self {
        const EACH_TIME: [&str; 4] = ["date", "x-request-id", "ratelimit", "content-length"];
        let status = answer.status().as_u16();
        let headers = answer.headers().iter().filter(|(name, _)| !EACH_TIME.contains(&name.as_str()));
        let headers =
            headers.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))).collect();
        let mut body = Vec::new();
        let is_endless = ask.path.starts_with("/v1/changes") && ask.accept != "application/json";
        while let Some(chunk) = answer.chunk().await.unwrap() {
            body.extend_from_slice(&chunk);
            if is_endless {
                break;
            }
        }
        Self { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// All of it, without what the client has said itself.
    fn told(&self, ask: &Ask) -> String {
        let text = format!("{} {:?} {}", self.status, self.headers, self.body);
        ask.said().iter().fold(text, |text, said| text.replace(said, ""))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same as of nobody, and without what is new each time. Which shards a look by ids goes to is told by the ids, and so it is, of
    /// whatever is looked for, to who sees all of a tenant.
    fn as_of_nobody(&self, ask: &Ask, sees_tenant: bool) -> (u16, Vec<String>, String) {
        let is_by_ids = sees_tenant || ask.path == Route::PostLookup.path();
        let mut headers = self.headers.clone();
        let tells_shard = |header: &str| header.starts_with("forebay-position") || header.starts_with("etag");
        headers.retain(|header| !(is_by_ids && tells_shard(header)));
        let body = match serde_json::from_str::<Value>(&self.body) {
            Ok(mut body) if body.is_object() => {
                let new = ["receipt", "request_id", "instance"].into_iter();
                for new in new.chain(sees_tenant.then_some("shard")) {
                    body.as_object_mut().unwrap().remove(new);
                }
                body.to_string()
            }
            _ => self.body.clone(),
        };
        (self.status, headers, body.replace(OTHER, NOBODY))
    }
}

fn order_of_other() -> String {
    json!({"order_id": "xother-O9", "customer_id": "xother-C", "timestamp": "2025-06-30T12:30:00Z",
        "items": [{"sku": "x", "quantity": 1, "price": 5}]})
    .to_string()
}

fn event(customer: &str, order: &str) -> String {
    format!(r#"{{"event_id":"forged",{customer}{order}"kind":"cancelled","at":"2025-07-02T08:00:00Z"}}"#)
}

/// In hexadecimal digits.
pub(crate) fn sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_client_is_told_nothing_of_others_on_any_route() {
    let scene = Scene::start().await;
    // What is sent comes last: it is the client's own, and may come back.
    let is_sent = |route: &Route| route.role() == Some(Role::Ingest);
    let (sent, read): (Vec<Route>, Vec<Route>) = Route::ALL.iter().partition(|route| is_sent(route));
    for route in read.into_iter().chain(sent) {
        let roles = route.role().map_or(vec![Role::Query, Role::Ingest, Role::Writer], |role| vec![role]);
        for client in [
            "customer",
            "seller",
            "lost",
            "member",
            "office@own-T",
            "customer of a tenant",
            "seller of a tenant",
            "customer@own-T",
            "seller@own-T",
        ] {
            let sees_tenant = matches!(client, "member" | "office@own-T");
            for ask in scene.asks(route) {
                for &role in &roles {
                    if ask.method == Method::Get {
                        // Whatever is kept of it is of who sees more.
                        scene.ask("office", role, &ask).await;
                    }
                    let answered = scene.ask(client, role, &ask).await;
                    let told = answered.told(&ask);
                    let price = OTHERS_PRICE.to_string();
                    // What the customer has of another seller is the customer's.
                    let of_seller = if client.starts_with("customer") { OTHER } else { "shared-" };
                    for secret in [OTHER, of_seller, &price, &*scene.assigned].map(str::to_owned) {
                        let is_asked = ask.path.contains(&secret)
                            || ask.body.as_ref().is_some_and(|(_, body)| body.contains(&secret));
                        assert!(
                            is_asked && secret != OTHER || !told.contains(&secret),
                            "{client} is told {secret} by {ask:?}: {told}"
                        );
                    }
                    let of_nobody = scene.ask(client, role, &ask.of_nobody()).await;
                    if route.role().is_some() && ask.of_nobody() != ask {
                        assert_eq!(
                            answered.as_of_nobody(&ask, sees_tenant),
                            of_nobody.as_of_nobody(&ask, sees_tenant),
                            "{client} learns what there is by {ask:?}"
                        );
                    }
                }
            }
        }
    }
    // Whatever was sent, nothing of it became others'.
    let asked = async |path: &str| scene.ask("office", Role::Query, &Ask::get(path)).await;
    let order = asked("/v1/customers/xother-C/orders/xother-O2").await.json();
    assert_eq!(order["status"], "shipped", "{order}");
    assert_eq!(asked("/v1/customers/xother-C/orders/xother-O9").await.status, 404);
    scene.system.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_client_sees_all_that_is_its_own() {
    let scene = Scene::start().await;
    let asked = async |client: &str, path: &str| scene.ask(client, Role::Query, &Ask::get(path)).await;
    let ids = |page: &Value| {
        let mut ids: Vec<String> =
            page["data"].as_array().unwrap().iter().map(|order| order["order_id"].to_string()).collect();
        ids.sort();
        ids.join(" ").replace('"', "")
    };
    let own = "common-O own-O1 own-O3";
    for path in ["/v1/orders", "/v1/customers/own-C/orders", "/v1/orders?limit=2", "/v1/sellers/own-S/orders"] {
        for client in ["customer", "seller"] {
            let answered = asked(client, path).await;
            let is_other_side = matches!(
                (client, path),
                ("customer", "/v1/sellers/own-S/orders") | ("seller", "/v1/customers/own-C/orders")
            );
            if is_other_side {
                assert_eq!(answered.status, 403, "{client} {path}");
                continue;
            }
            let mut page = answered.json();
            let mut all = page["data"].as_array().unwrap().clone();
            while let Some(cursor) = page["next_cursor"].as_str() {
                page = asked(client, &format!("{path}&cursor={cursor}")).await.json();
                all.extend(page["data"].as_array().unwrap().iter().cloned());
            }
            assert_eq!(ids(&json!({"data": all})), own, "{client} {path}");
        }
    }
    let totals = |client, path| async move { asked(client, path).await.json()["data"][0].clone() };
    let of_customer = totals("customer", "/v1/orders/totals").await;
    assert_eq!((&of_customer["count"], &of_customer["net"]), (&json!(3), &json!(20)), "{of_customer}");
    let of_seller = totals("seller", "/v1/orders/totals").await;
    assert_eq!((&of_seller["count"], &of_seller["net"]), (&json!(3), &json!(15)), "{of_seller}");
    for client in ["customer", "seller"] {
        for id in own.split(' ') {
            let order = asked(client, &format!("/v1/orders/{id}")).await.json();
            assert_eq!(order["customer_id"], "own-C", "{client}: {order}");
            assert_eq!(
                order["items"].as_array().unwrap().len(),
                if id == "own-O3" && client == "customer" { 2 } else { 1 }
            );
        }
        let timeline = asked(client, "/v1/orders/own-O1/events").await.json();
        assert_eq!(timeline["data"][0]["event_id"], "own-E", "{client}: {timeline}");
        let body = json!({"ids": ["own-O3", "xother-O2", "common-O"]}).to_string();
        let looked_up =
            scene.ask(client, Role::Query, &Ask::post("/v1/orders/lookup", "application/json", &body)).await.json();
        assert_eq!(
            (&looked_up["data"][0]["order_id"], &looked_up["data"][1], &looked_up["data"][2]["order_id"]),
            (&json!("own-O3"), &Value::Null, &json!("common-O")),
            "{client}: {looked_up}"
        );
    }
    let changes = asked("customer", "/v1/changes?since=0").await.json();
    assert_eq!(changes["data"].as_array().unwrap().len(), 6, "three orders and three events: {changes}");
    assert_eq!(asked("seller", "/v1/changes").await.status, 403);
    // Its own requests it may ask after, and send.
    let order = json!({"customer_id": "own-C", "items": [{"sku": "own-A", "quantity": 1, "price": 5}]});
    let sent =
        scene.ask("customer", Role::Ingest, &Ask::post("/v1/orders", "application/json", &order.to_string())).await;
    let (accepted, status) = (sent.json(), sent.status);
    assert_eq!(status, 202, "{accepted}");
    let event = r#"{"event_id":"E","kind":"paid","amount":5,"at":"2025-07-02T08:00:00Z"}"#;
    let path = format!("/v1/orders/{}/events", accepted["order_id"].as_str().unwrap());
    let paid = scene.ask("customer", Role::Ingest, &Ask::post(&path, "application/json", event)).await.json();
    let (receipt, after) = (accepted["receipt"].as_str().unwrap(), paid["receipt"].as_str().unwrap());
    let report = asked("customer", &format!("/v1/receipts/{receipt}?wait_ms=20000")).await.json();
    assert_eq!(report["stored"], 1, "{report}");
    assert_eq!(asked("seller", &format!("/v1/receipts/{receipt}")).await.status, 404);
    let path = format!("/v1/orders/{}?after={after}&wait_ms=20000", accepted["order_id"].as_str().unwrap());
    let order = asked("customer", &path).await.json();
    assert_eq!(order["paid"], 5, "{order}");
    let changes = asked("customer", "/v1/changes?since=0").await.json();
    assert_eq!(changes["data"].as_array().unwrap().len(), 8, "{changes}");
    scene.system.stop().await.unwrap();
}
