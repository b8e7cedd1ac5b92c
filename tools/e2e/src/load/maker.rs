//! Orders of every kind that a client may send, each with a mark by which it is known wherever it turns up.

use forebay_model::{CustomerId, ShardMap, StreamKind, Tenant, Timestamp};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

const CUSTOMERS: u32 = 300;
const SELLERS: u32 = 20;
/// Times lie this far back at most: enough for a few partitions.
const BACK_US: i64 = 2 * 86_400_000_000;

/// An order as it is sent.
#[derive(Clone, Debug)]
pub struct Made {
    /// What tells it from every other order of a run; it stands in the order as an unknown field.
    pub mark: String,
    /// Whose it is.
    pub customer_id: String,
    /// Its id, unless Forebay is to assign one.
    pub order_id: Option<String>,
    /// When it was placed.
    pub at: Timestamp,
    /// The order.
    pub json: Value,
}

impl Made {
    /// The shard that it is logged for.
    pub fn shard(&self, map: &ShardMap) -> Option<usize> {
        let customer = CustomerId::new(self.customer_id.as_str()).ok()?;
        Some(usize::from(map.shard(StreamKind::Logged, map.bucket_of(Tenant::none(), &customer)).0))
    }

    /// Whether it is a sale or a return.
    pub fn kind(&self) -> &str {
        self.json["kind"].as_str().unwrap_or("sale")
    }

    /// What its prices are in: the system's currency where it names none.
    pub fn currency(&self) -> &str {
        self.json["currency"].as_str().unwrap_or("EUR")
    }

    /// What it comes to.
    pub fn total(&self) -> i64 {
        let items = self.json["items"].as_array().into_iter().flatten();
        items.filter_map(|item| Some(item["quantity"].as_i64()? * item["price"].as_i64()?)).sum()
    }
}

/// Makes orders, the same for the same seed.
#[derive(Debug)]
pub struct Maker {
    prefix: String,
    made: u64,
    rng: StdRng,
    now: Timestamp,
}

impl Maker {
    /// A maker whose marks begin with this prefix.
    pub fn new(prefix: impl Into<String>, rng: StdRng) -> Self {
        Self { prefix: prefix.into(), made: 0, rng, now: Timestamp::now() }
    }

    /// The next order, with an id of its own or without.
    pub fn make(&mut self, has_id: bool) -> Made {
        self.made += 1;
        let mark = format!("{}-{}", self.prefix, self.made);
        let customer_id = format!("C{:04}", self.rng.random_range(0..CUSTOMERS));
        let at = self.now.plus_us(-self.rng.random_range(0..BACK_US));
        let items: Vec<Value> = (0..self.rng.random_range(1..5)).map(|_| self.item()).collect();
        let mut json = json!({
            "customer_id": customer_id,
            "timestamp": at.to_string(),
            "items": items,
            "mark": mark,
            "note": "Grüße \u{1f69a} \"quoted\" \\ back\tslash",
            "weight": f64::from(self.rng.random_range(1..4000_u32)) / 8.0,
            "gift": { "wrap": self.rng.random::<bool>(), "to": [null, "x", { "y": 1 }] },
        });
        let order_id = has_id.then(|| format!("O-{mark}"));
        if let Some(id) = &order_id {
            json["order_id"] = id.as_str().into();
        }
        if self.rng.random_ratio(1, 3) {
            json["currency"] = ["EUR", "GBP", "JPY"][self.rng.random_range(0..3)].into();
        }
        match self.rng.random_range(0..8) {
            0 => give_back(&mut json),
            1 => {
                if let Some(items) = json["items"].as_array_mut() {
                    items.push(voucher(items));
                }
            }
            _ => {}
        }
        Made { mark, customer_id, order_id, at, json }
    }

    fn item(&mut self) -> Value {
        let mut item = json!({
            "sku": format!("SKU{:03}", self.rng.random_range(0..500)),
            "quantity": self.rng.random_range(1..20),
            "price": self.rng.random_range(0..100_000),
            "colour": if self.rng.random() { "red" } else { "grün" },
        });
        // Some sell themselves.
        if self.rng.random_ratio(9, 10) {
            item["seller_id"] = format!("S{}", self.rng.random_range(0..SELLERS)).into();
        }
        item
    }
}

/// Makes a return of a sale.
fn give_back(order: &mut Value) {
    order["kind"] = "return".into();
    for item in order["items"].as_array_mut().into_iter().flatten() {
        item["quantity"] = item["quantity"].as_i64().map(|quantity| -quantity).into();
    }
}

/// An item that takes off a half of what the first one comes to.
fn voucher(items: &[Value]) -> Value {
    let figure = |field: &str| items[0][field].as_i64().unwrap_or_default();
    json!({"sku": "VOUCHER", "quantity": 1, "price": -(figure("quantity") * figure("price") / 2)})
}
