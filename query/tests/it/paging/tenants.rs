//! What belongs to a tenant is not shown to those who are not that tenant, whatever else is the same.

use forebay_model::{Bucket, Tenant};
use forebay_testkit::service::Answer;
use serde_json::{Value, json};

use crate::scene::Scene;

const AT: &str = "2025-06-30T12:30:00.123456Z";

/// A key beginning with these letters that has the same bucket with the tenant as without.
fn same_bucket(tenant: &Tenant, letters: &str) -> String {
    let mut keys = (0..).map(|n| format!("{letters}{n}"));
    keys.find(|key| Bucket::of_key(tenant, key) == Bucket::of_key(Tenant::none(), key)).unwrap()
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|order| order["order_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn orders_of_a_tenant_are_not_shown_to_others() {
    let mut scene = Scene::start("tenants").await;
    let tenant = Tenant::new("T1").unwrap();
    // Only the tenant keeps them apart: buckets, and so shards, are the same.
    let [customer, id, seller] = ["C", "X", "S"].map(|letters| same_bucket(&tenant, letters));
    let order = |id: Option<&str>, sku: &str| {
        let item = json!({"sku": sku, "quantity": 1, "price": 5, "seller_id": seller});
        let mut order = json!({"customer_id": customer, "timestamp": AT, "items": [item]});
        if let Some(id) = id {
            order["order_id"] = id.into();
        }
        order
    };
    scene.writing.tenant = tenant;
    let (assigned, _) = scene.writing.write(&[order(Some(&id), "theirs"), order(None, "theirs")]).await;
    let lists = [format!("/v1/customers/{customer}/orders"), format!("/v1/sellers/{seller}/orders")];
    let lists = [lists.as_slice(), &["/v1/orders".to_owned(), "/v1/orders?order=asc".to_owned()]].concat();
    for list in &lists {
        assert_eq!(scene.get(list).await.ok()["data"], json!([]), "{list}");
    }
    for id in [id.as_str(), assigned[1].as_str()] {
        for path in [format!("/v1/orders/{id}"), format!("/v1/customers/{customer}/orders/{id}")] {
            scene.get(&path).await.problem(404, "not_found");
        }
    }

    // The same order of nobody's is another one.
    scene.writing.tenant = Tenant::default();
    let (_, receipt) = scene.writing.write(&[order(Some(&id), "ours")]).await;
    for list in &lists {
        let after = if list.contains('?') { '&' } else { '?' };
        let list = scene.get(&format!("{list}{after}after={receipt}")).await.ok();
        assert_eq!((ids(&list), &list["data"][0]["items"][0]["sku"]), (vec![id.as_str()], &json!("ours")));
    }
    for path in [format!("/v1/orders/{id}"), format!("/v1/customers/{customer}/orders/{id}")] {
        assert_eq!(scene.get(&format!("{path}?after={receipt}")).await.ok()["items"][0]["sku"], "ours");
    }

    // Who asks for the tenant is shown what is the tenant's, and who asks for another one nothing.
    let asks = async |tenant: &str, path: &str| {
        Answer::of(scene.query.request(path).header("forebay-tenant", tenant)).await.ok()
    };
    for list in &lists {
        let theirs = asks("T1", list).await;
        let skus = theirs["data"].as_array().unwrap().iter().map(|order| &order["items"][0]["sku"]);
        assert_eq!(skus.collect::<Vec<_>>(), ["theirs", "theirs"], "{list}");
        assert_eq!(asks("T2", list).await["data"], json!([]), "{list}");
    }
    for path in [format!("/v1/orders/{id}"), format!("/v1/orders/{}", assigned[1])] {
        assert_eq!(asks("T1", &path).await["items"][0]["sku"], "theirs");
    }
    for (facts, changes) in [(2, asks("T1", "/v1/changes").await), (0, asks("T2", "/v1/changes").await)] {
        assert_eq!(changes["data"].as_array().unwrap().len(), facts, "{changes}");
    }
    assert_eq!(scene.get("/v1/changes").await.ok()["data"].as_array().unwrap().len(), 1, "without a tenant");
}
