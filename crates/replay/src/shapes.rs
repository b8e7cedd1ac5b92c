//! Files of the shapes that people have, and what they become: from the bytes of a file to orders as ingest understands them.

use std::path::Path;

use forebay_model::order::Draft;
use forebay_model::{OrderKind, OrderParser, Timestamp, ViewSet};
use serde_json::Value;

use crate::chunk::{Chunk, ChunkBuilder, ChunkSize};
use crate::map::Map;
use crate::map::named::NAMED_MAPS;
use crate::source::input::Input;
use crate::source::plan::Plan;
use crate::suggest::suggest;

/// What of an order is looked at: customer, id, time, kind, items and total.
type Order = (String, Option<String>, String, OrderKind, usize, i64);

struct Shape {
    dir: tempfile::TempDir,
    name: &'static str,
}

impl Shape {
    fn new(name: &'static str, contents: impl AsRef<[u8]>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), contents).unwrap();
        Self { dir, name }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join(self.name)
    }

    /// What the file becomes by a map.
    fn by(&self, map: &str) -> (Vec<Order>, Chunk) {
        read(&self.path(), map)
    }

    /// What it becomes by the map that is suggested for it.
    fn by_suggestion(&self) -> (Vec<Order>, Chunk) {
        let suggestion = suggest(&self.path()).unwrap();
        self.by(&suggestion.text)
    }
}

fn read(path: &Path, map: &str) -> (Vec<Order>, Chunk) {
    let map = Map::parse(map).unwrap_or_else(|reason| panic!("{reason}:\n{map}"));
    let (_, source) = Plan::of_file(path, map).open(&Input::new(path)).unwrap();
    let mut source = source.unwrap();
    let mut builder = ChunkBuilder::new(ChunkSize { records: usize::MAX, bytes: usize::MAX });
    while source.fill(&mut builder).unwrap() {}
    let chunk = builder.take(0, 0, 0, 0);
    (orders(&chunk), chunk)
}

fn orders(chunk: &Chunk) -> Vec<Order> {
    let parser = OrderParser::new(ViewSet::default(), "EUR".parse().unwrap(), i64::MAX / 2);
    let lines = chunk.body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| order(&parser.parse(line, Timestamp::now()).unwrap_or_else(|error| panic!("{error}")))).collect()
}

fn order(draft: &Draft<'_>) -> Order {
    let items: Vec<Value> = serde_json::from_str(draft.items).unwrap();
    let id = draft.order_id.as_ref().map(ToString::to_string);
    let at = draft.timestamp.map(|at| at.to_string()).unwrap_or_default();
    (draft.customer_id.to_string(), id, at, draft.kind, items.len(), draft.total)
}

fn ids(orders: &[Order]) -> Vec<&str> {
    orders.iter().map(|order| order.1.as_deref().unwrap_or("-")).collect()
}

fn totals(orders: &[Order]) -> Vec<i64> {
    orders.iter().map(|order| order.5).collect()
}

const PLAIN: &str = r#"
order_id = "Order"
customer_id = "Customer"
timestamp = { column = "Date", format = "%Y-%m-%d %H:%M:%S", zone = "UTC" }
item = { sku = "SKU", quantity = "Qty", price = { column = "Price", scale = 2 } }
"#;

const LINES_APART: &str = "Order,Customer,Date,SKU,Qty,Price\nF1,C1,2026-01-02 10:00:00,S1,1,12.50\n\
    F2,C2,2026-01-02 10:00:00,S1,2,2.00\nF1,C1,2026-01-02 10:00:00,S2,1,5.00\n";

#[test]
fn lines_of_an_order_that_stand_apart_are_one_order() {
    let file = Shape::new("apart.csv", LINES_APART);
    for (orders, chunk) in [file.by(&format!("lines_apart = 2\n{PLAIN}")), file.by_suggestion()] {
        // An order goes when it ends.
        assert_eq!((ids(&orders), totals(&orders)), (vec!["F2", "F1"], vec![400, 1750]));
        assert_eq!((orders[1].4, chunk.place(1).line, chunk.place(1).lines), (2, 2, 2));
    }
    // One line less, and the second line is told and not lost.
    let (orders, chunk) = file.by(&format!("lines_apart = 1\n{PLAIN}"));
    assert_eq!((totals(&orders), chunk.refused[0].place.line), (vec![1250, 400], 4));
    assert!(chunk.refused[0].detail.contains("lines_apart = 1"), "{}", chunk.refused[0].detail);
}

#[test]
fn what_further_lines_leave_empty_is_that_of_the_first() {
    let file = Shape::new(
        "blank.csv",
        "Name,Email,Created at,Lineitem sku,Lineitem quantity,Lineitem price,Total\n\
         #1001,a@example.com,2026-01-05 12:30:00 -0500,S1,1,12.50,17.50\n#1001,,,S2,1,5.00,\n\
         #1002,b@example.com,2026-01-05 13:00:00 -0500,S1,2,12.50,25.00\n",
    );
    let (orders, _) = file.by_suggestion();
    assert_eq!((ids(&orders), totals(&orders)), (vec!["#1001", "#1002"], vec![1750, 2500]));
    assert_eq!((orders[0].0.as_str(), orders[0].2.as_str(), orders[0].4), ("a@example.com", "2026-01-05T17:30:00Z", 2));
    // Even the id may be left out.
    let file = Shape::new(
        "id.csv",
        "Order,Customer,Date,SKU,Qty,Price\nA,C,2026-01-02 10:00:00,S,1,1\n,,,T,1,2\nB,C,2026-01-02 10:00:00,S,1,4\n",
    );
    let map = PLAIN.replace("order_id = \"Order\"", "order_id = { column = \"Order\", blank = \"as_before\" }");
    assert_eq!(totals(&file.by(&map).0), [300, 400]);
    assert_eq!(totals(&file.by(&format!("lines_apart = 9\n{map}")).0), [300, 400]);
}

#[test]
fn commas_before_the_decimals_and_days_before_months() {
    let text = "Auftrag;Kunde;Datum;Artikel;Menge;Preis\nB1;C1;02.01.2026 10:00;S1;1;1.234,50\nB1;C1;02.01.2026 10:00;S2;2;2,00\n";
    for file in [Shape::new("comma.csv", text), Shape::new("utf16.csv", utf_16(text))] {
        let (orders, _) = file.by_suggestion();
        assert_eq!((ids(&orders), totals(&orders)), (vec!["B1"], vec![123_850]));
        assert_eq!(orders[0].2, "2026-01-02T10:00:00Z");
    }
}

fn utf_16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn without_an_id_a_line_is_an_order() {
    let file = Shape::new(
        "no-id.csv",
        "customer,date,qty,dollars\n00001,20210101,1,11.77\n00002,20210112,1,12.00\n00002,20210112,5,77.00\n",
    );
    let (orders, _) = file.by_suggestion();
    assert_eq!((ids(&orders), totals(&orders)), (vec!["-", "-", "-"], vec![1177, 1200, 7700]));
    assert_eq!(orders[2].2, "2021-01-12T00:00:00Z");
}

#[test]
fn times_since_1970_in_whatever_unit() {
    let file = Shape::new(
        "epoch.csv",
        "Order,Customer,At,SKU,Qty,Price\nI1,C1,1767349445123,S1,1,12.50\nI2,C1,1767349446,S1,1,12.50\n",
    );
    let (orders, _) = file.by_suggestion();
    let times: Vec<&str> = orders.iter().map(|order| order.2.as_str()).collect();
    assert_eq!(times, ["2026-01-02T10:24:05.123Z", "2026-01-02T10:24:06Z"]);
}

const RETURNS: &str = "Invoice,Customer,Date,SKU,Qty,Price\n536365,17850,2010-12-01 08:26:00,85123A,6,2.55\n\
    C536379,14527,2010-12-01 09:41:00,D,-1,27.50\n536414,,2010-12-01 11:52:00,22139,56,0.00\n\
    536500,17377,2010-12-01 12:35:00,S1,2,10.00\n536500,17377,2010-12-01 12:35:00,VOUCHER,1,-5.00\n";

#[test]
fn returns_and_vouchers_are_what_they_are() {
    let file = Shape::new("returns.csv", RETURNS);
    let by_hand = PLAIN
        .replace("\"Order\"", "\"Invoice\"")
        .replace("\"Customer\"", "{ column = \"Customer\", default = \"guest\" }");
    let with_rule = format!("return_when = [{{ column = \"Invoice\", prefix = \"C\" }}]\n{by_hand}");
    for (orders, _) in [file.by(&by_hand), file.by(&with_rule), file.by_suggestion()] {
        assert_eq!(totals(&orders), [1530, -2750, 0, 1500]);
        let kinds: Vec<OrderKind> = orders.iter().map(|order| order.3).collect();
        assert_eq!(kinds, [OrderKind::Sale, OrderKind::Return, OrderKind::Sale, OrderKind::Sale]);
    }
}

#[test]
fn returns_may_be_told_by_a_column_and_write_offs_are_refused_or_passed_over() {
    let text = "Order,Customer,Date,SKU,Qty,Price,Type\nA,C,2026-01-02 10:00:00,S,2,1.50,refund\nB,C,2026-01-02 10:00:00,S,-5,0,lost\n";
    let file = Shape::new("types.csv", text);
    let map = format!("return_when = [{{ column = \"Type\", in = [\"refund\", \"return\"] }}]\n{PLAIN}");
    let (orders, chunk) = file.by(&map);
    assert_eq!((orders[0].3, orders[0].5), (OrderKind::Return, -300));
    assert_eq!((chunk.refused[0].code, chunk.refused[0].place.line), ("write_off", 3));
    let (orders, chunk) = file.by(&format!("skip_when = [{{ write_off = true }}]\n{map}"));
    assert_eq!((orders.len(), chunk.refused.len(), chunk.passed_over), (1, 0, 1));
}

#[test]
fn json_of_a_shop_is_read_by_paths() {
    let text = r##"{"orders":[{"id":450789469,"name":"#1001","created_at":"2026-01-05T12:30:00-05:00","customer":{"id":207119551},"currency":"USD","total_price":"204.00","line_items":[{"sku":"IPOD-342-N","quantity":1,"price":"199.00"},{"sku":"CASE-1","quantity":1,"price":"5.00"}]}]}"##;
    let file = Shape::new("shop.json", text);
    let by_hand = r#"
orders = "$.orders[*]"
order_id = "$.name"
customer_id = "$.customer.id"
timestamp = "$.created_at"
currency = "$.currency"
items = "$.line_items[*]"
item = { sku = "@.sku", quantity = "@.quantity", price = { column = "@.price", scale = 2 } }
"#;
    for (orders, _) in [file.by(by_hand), file.by_suggestion()] {
        assert_eq!((ids(&orders), totals(&orders), orders[0].4), (vec!["#1001"], vec![20_400], 2));
        assert_eq!(orders[0].0, "207119551");
    }
}

#[test]
fn sums_and_headers_in_the_middle_are_passed_over() {
    let text = format!(
        "{LINES_APART}Order,Customer,Date,SKU,Qty,Price\nF3,C1,2026-01-02 10:00:00,S2,1,5.00\nTotal,,,,4,24.50\n"
    );
    let (orders, chunk) = Shape::new("sums.csv", text).by_suggestion();
    assert_eq!(
        (totals(&orders).iter().sum::<i64>(), orders.len(), chunk.passed_over),
        (2650, 3, 2),
        "{:?}",
        chunk.refused
    );
}

#[test]
fn items_may_stand_in_a_column_that_is_json() {
    let text = "id,customer,at,items,meta\n7,C,2026-01-02T10:00:00Z,\"[{\"\"sku\"\":\"\"a\"\",\"\"n\"\":2,\"\"eur\"\":1.5},{\"\"sku\"\":\"\"b\"\",\"\"n\"\":1,\"\"eur\"\":\"\"0.25\"\"}]\",\"{\"\"x\"\":[1]}\"\n";
    let map = r#"
order_id = "id"
customer_id = "customer"
timestamp = "at"
items = "items"
currency = { constant = "EUR" }
item = { sku = "@.sku", quantity = "@.n", price = { column = "@.eur", scale = "currency" } }
attributes = { meta = { column = "meta", json = true } }
"#;
    let (orders, chunk) = Shape::new("json.csv", text).by(map);
    assert_eq!((totals(&orders), orders[0].4), (vec![325], 2));
    let order: Value = serde_json::from_slice(chunk.body.trim_ascii()).unwrap();
    assert_eq!(order["meta"], serde_json::json!({"x": [1]}));
}

#[test]
fn prices_say_their_currency_and_a_sign_of_several_is_not_guessed() {
    let text = "Order,Customer,Date,SKU,Qty,Price\nA,C,2026-01-02 10:00:00,S,1,€ 12.50\nB,C,2026-01-02 10:00:00,S,1,JPY 1200\nD,C,2026-01-02 10:00:00,S,1,$5\n";
    let map = PLAIN.replace("scale = 2", "scale = \"currency\"");
    let file = Shape::new("marks.csv", text);
    let (orders, chunk) = file.by(&map);
    assert_eq!(totals(&orders), [1250, 1200]);
    assert_eq!(chunk.refused[0].detail.split(':').next(), Some("line 4"));
    let (orders, chunk) = file.by(&format!("currency = {{ constant = \"USD\" }}\n{map}"));
    assert_eq!(totals(&orders), [500]);
    assert!(chunk.refused[0].detail.contains("is in EUR, and the order in USD"), "{}", chunk.refused[0].detail);
}

/// What is left of a file behind its first `records`, as a run reads it that goes on there: the orders, and the places of what is refused.
fn behind(path: &Path, map: &str, records: usize) -> (Vec<String>, Vec<u64>) {
    let map = Map::parse(map).unwrap();
    let (_, source) = Plan::of_file(path, map).open(&Input::new(path)).unwrap();
    let mut source = source.unwrap();
    let mut passed = 0;
    let mut has_more = true;
    while passed < records && has_more {
        let mut builder = ChunkBuilder::new(ChunkSize { records: (records - passed).min(3), bytes: usize::MAX });
        has_more = source.fill(&mut builder).unwrap();
        passed += builder.records();
    }
    let mut builder = ChunkBuilder::new(ChunkSize { records: usize::MAX, bytes: usize::MAX });
    while has_more {
        has_more = source.fill(&mut builder).unwrap();
    }
    let chunk = builder.take(0, 0, 0, 0);
    let lines = String::from_utf8(chunk.body.to_vec()).unwrap();
    (lines.lines().map(str::to_owned).collect(), chunk.refused.iter().map(|refusal| refusal.place.line).collect())
}

#[test]
fn a_run_that_goes_on_anywhere_finds_what_it_would_have_found() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("maps/samples");
    let scattered = Shape::new(
        "scattered.csv",
        LINES_APART.to_owned() + "F2,C2,2026-01-02 10:00:00,S9,1,x\nF3,C1,2026-01-02 10:00:00,S,1,1\n",
    );
    let mut files = vec![(scattered.path(), format!("lines_apart = 2\n{PLAIN}"))];
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let named = NAMED_MAPS.iter().find(|map| path.file_stem().is_some_and(|stem| stem == map.name)).unwrap();
        files.push((path, named.text.to_owned()));
    }
    for (path, map) in files {
        let (orders, refused) = behind(&path, &map, 0);
        for records in 0..=orders.len() + refused.len() {
            let (orders_left, refused_left) = behind(&path, &map, records);
            assert_eq!(orders_left.len() + refused_left.len() + records, orders.len() + refused.len());
            assert!(
                orders.ends_with(&orders_left) && refused.ends_with(&refused_left),
                "{} behind {records}",
                path.display()
            );
        }
    }
}

/// For each map that comes with Forebay: its sample's orders, and what is refused.
#[test]
fn samples_of_the_maps_that_come_with_forebay() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("maps/samples");
    for named in NAMED_MAPS {
        let mut samples = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
        let sample = samples.find(|path| path.file_stem().is_some_and(|stem| stem == named.name)).unwrap();
        let (orders, chunk) = read(&sample, named.text);
        let expected: (&[i64], &[&str]) = match named.name {
            "amazon-orders" => (&[3500, 349], &[]),
            "etsy-items" => (&[125_900, 450], &[]),
            "forebay-csv" => (&[0, 1250], &[]),
            "forebay-items-csv" => (&[-250, 1250], &[]),
            "magento-json" => (&[6400], &[]),
            "online-retail" | "online-retail-ii" => (&[4234, -2750, 0], &["write_off"]),
            "shopify-csv" => (&[1750, 2400], &[]),
            "shopify-json" => (&[20_400, 2500], &[]),
            "ta-feng" => (&[3000, 4600], &[]),
            "woocommerce-json" => (&[2200], &[]),
            other => panic!("{other} has no sums here"),
        };
        let codes: Vec<&str> = chunk.refused.iter().map(|refusal| refusal.code).collect();
        assert_eq!((totals(&orders).as_slice(), codes.as_slice()), expected, "{}: {:?}", named.name, chunk.refused);
        assert_eq!(suggest(&sample).unwrap().named, Some(named.name));
    }
}

#[test]
fn what_is_in_forebay_s_own_form_needs_no_map() {
    let order = r#"{"order_id":"O1","customer_id":"C1","timestamp":"2026-01-02T10:00:00Z","items":[{"sku":"s","quantity":1,"price":100}]}"#;
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("lines.ndjson", format!("{order}\n{order}\n")), ("array.json", format!("[{order},{order}]"))]
    {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let said = suggest(&path).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said.contains("needs no map"), "{name}: {said}");
    }
}
