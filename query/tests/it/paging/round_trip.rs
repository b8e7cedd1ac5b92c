//! Whatever validation admits Postgres stores and gives back equal, and validation admits again what is given back: orders made up at
//! random, most of them odd.

use std::collections::BTreeMap;

use forebay_model::{Currency, OrderParser, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::value::RawValue;

use crate::scene::Scene;
use crate::writing::Writing;

/// How many orders are to be admitted, and how many are made up for them at most.
const ORDERS: usize = 150;
const MADE_UP_MAX: usize = 6000;

/// A JSON value, with numbers as Postgres compares them: by what they are worth, however they are written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Json {
    Null,
    Bool(bool),
    /// Sign, digits without zeros at the ends, and the power of ten behind them.
    Number(bool, String, i64),
    Text(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    fn read(text: &str) -> Self {
        let raws = |raws: Vec<Box<RawValue>>| raws.iter().map(|raw| Self::read(raw.get())).collect();
        match text.trim().as_bytes()[0] {
            b'n' => Self::Null,
            b't' | b'f' => Self::Bool(text.trim() == "true"),
            b'"' => Self::Text(serde_json::from_str(text).unwrap()),
            b'[' => Self::Array(raws(serde_json::from_str(text).unwrap())),
            // Of a key that stands twice the last counts, here as in `jsonb`.
            b'{' => {
                let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).unwrap();
                Self::Object(fields.into_iter().map(|(key, raw)| (key, Self::read(raw.get()))).collect())
            }
            _ => Self::number(text.trim()),
        }
    }

    fn number(text: &str) -> Self {
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let kept = digits.trim_end_matches('0');
        let power = exponent.parse::<i64>().unwrap() - fraction.len() as i64 + (digits.len() - kept.len()) as i64;
        match kept.trim_start_matches('0') {
            "" => Self::Number(false, String::new(), 0),
            kept => Self::Number(is_negative, kept.to_owned(), power),
        }
    }

    fn field(&self, name: &str) -> &Self {
        let Self::Object(fields) = self else { panic!("no object: {self:?}") };
        &fields[name]
    }
}

/// A text as JSON: as it is, or with every character escaped; sometimes with half a surrogate pair.
fn any_text() -> impl Strategy<Value = String> {
    let chars = prop_oneof![any::<char>(), proptest::char::range('\0', '\u{7f}'), Just('\u{0}'), Just('\u{ffff}')];
    let text = proptest::collection::vec(prop_oneof![9 => proptest::char::range(' ', '~'), 1 => chars], 0..10);
    (text, 0..40_u8).prop_map(|(chars, how)| {
        let text = String::from_iter(chars);
        match how {
            0 => "\"\\ud800\"".to_owned(),
            1..=10 => escaped(&text),
            _ => serde_json::to_string(&text).unwrap(),
        }
    })
}

fn escaped(text: &str) -> String {
    let units: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
    format!("\"{}\"", units.concat())
}

fn any_number() -> impl Strategy<Value = String> {
    let odd = [
        "-0",
        "0e0",
        "-0.0e-0",
        "0e1000000000",
        "0e1073741824",
        "0e2147483647",
        "0e-400",
        "1e308",
        "1e309",
        "-1.7976931348623157e308",
        "1e-400",
        "1e-401",
        "0.1e-399",
        "5e-324",
        "1E+0005",
        "9007199254740993",
        "18446744073709551616",
        "0.1000000000000000000000000000000000000000001",
    ];
    let long = (1_usize..450).prop_map(|digits| "7".repeat(digits));
    let small = (1_usize..420).prop_map(|digits| format!("0.{}1", "0".repeat(digits)));
    prop_oneof![
        4 => "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?",
        3 => proptest::sample::select(odd.to_vec()).prop_map(str::to_owned),
        1 => long,
        1 => small,
    ]
}

fn any_json() -> impl Strategy<Value = String> {
    let word = proptest::sample::select(vec!["null", "true", "false", "{}", "[]"]).prop_map(str::to_owned);
    let deep = (1_usize..36).prop_map(|depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth)));
    let wide = (1_usize..3000).prop_map(|count| format!("[{}0]", "1, ".repeat(count)));
    let leaf = prop_oneof![4 => any_text(), 4 => any_number(), 2 => word, 1 => deep, 1 => wide];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..4);
        let fields = proptest::collection::vec((any_text(), inner), 0..4);
        let object = fields.prop_map(|fields| object(&fields));
        prop_oneof![list.prop_map(|list| format!("[{}]", list.join(" ,"))), object]
    })
}

fn object(fields: &[(String, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key}:\t{value}")).collect();
    format!("{{{}}}", fields.join(",\n"))
}

fn any_id() -> impl Strategy<Value = String> {
    let quoted = |text: String| serde_json::to_string(&text).unwrap();
    prop_oneof![
        4 => "[^\\p{Cc}]{1,12}".prop_map(quoted),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => proptest::sample::select(vec!["\u{10ffff}", "\u{feff}", "'", " ", "%", "\\", "e\u{301}", "\u{202e}", "\u{2028}"])
            .prop_map(move |text| quoted(text.repeat(128))),
    ]
}

/// Few days, because each has partitions of its own; the first, the last, and the edges of a day among them.
fn any_time() -> impl Strategy<Value = String> {
    let soon = Timestamp::now().plus_us(86_000_000_000).to_string();
    let times = [
        "2000-01-01T00:00:00Z",
        "2000-01-01T05:30:00.000001+05:30",
        "2016-12-31T23:59:60Z",
        "2024-02-29T23:59:59.999999999Z",
        "2024-02-28T23:59:59.999999-00:01",
        "2025-03-30T01:30:00.5+01:00",
        &soon,
    ];
    proptest::sample::select(times.map(str::to_owned).to_vec())
}

/// An order of any kind, which it says, leaves out, or leaves open with a null.
fn any_order() -> impl Strategy<Value = String> {
    let kinds = [None, Some("null"), Some("\"sale\""), Some("\"return\"")].to_vec();
    proptest::sample::select(kinds).prop_flat_map(any_order_of)
}

/// An order's fields, its further ones in front or behind.
fn any_order_of(kind: Option<&'static str>) -> impl Strategy<Value = String> {
    let sign = if kind == Some("\"return\"") { -1 } else { 1 };
    let item = (
        any_text(),
        (1..=1_000_000_i64).prop_map(move |quantity| sign * quantity),
        -1_000_i64..=1_000_000_000_000,
        any_id(),
        proptest::collection::vec((any_text(), any_json()), 0..3),
    );
    let item = item.prop_map(|(sku, quantity, price, seller, mut fields)| {
        let known =
            [("sku", sku), ("quantity", quantity.to_string()), ("price", price.to_string()), ("seller_id", seller)];
        fields.extend(known.map(|(key, value)| (format!("\"{key}\""), value)));
        object(&fields)
    });
    let items = proptest::collection::vec(item, 1..4);
    (any_id(), any_id(), any_time(), items, proptest::collection::vec((any_text(), any_json()), 0..5), any::<bool>())
        .prop_map(move |(customer, order, at, items, others, is_last)| {
            let items = format!("[{}]", items.join(","));
            let known =
                [("customer_id", customer), ("order_id", order), ("timestamp", format!("\"{at}\"")), ("items", items)];
            let known = known.into_iter().chain(kind.map(|kind| ("kind", kind.to_owned())));
            let mut fields: Vec<_> = known.map(|(key, value)| (format!("\"{key}\""), value)).collect();
            let at = if is_last { fields.len() } else { 0 };
            fields.splice(at..at, others);
            object(&fields)
        })
}

/// Who an order is of and which it is, as lists have it.
fn identity(order: &Json) -> (Json, Json) {
    ["customer_id", "order_id"].map(|name| order.field(name).clone()).into()
}

/// What an order is answered with: ids as texts, the time as RFC 3339 in UTC, kind, currency and total filled in.
fn answered(text: &str, total: i64) -> Json {
    let Json::Object(mut fields) = Json::read(text) else { panic!("no object: {text}") };
    let Json::Text(at) = &fields["timestamp"] else { panic!("no time: {text}") };
    fields.insert("timestamp".to_owned(), Json::Text(Timestamp::parse(at).unwrap().in_full().to_string()));
    fields.insert("total".to_owned(), Json::number(&total.to_string()));
    for (name, usual) in [("kind", "sale"), ("currency", "EUR")] {
        if matches!(fields.get(name), None | Some(Json::Null)) {
            fields.insert(name.to_owned(), Json::Text(usual.to_owned()));
        }
    }
    let sent: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).unwrap();
    for name in ["customer_id", "order_id"] {
        let is_number = !sent[name].get().starts_with('"');
        if is_number {
            fields.insert(name.to_owned(), Json::Text(sent[name].get().to_owned()));
        }
    }
    Json::Object(fields)
}

/// Orders that are nearly as large as they may be: of many values that `jsonb` writes with spaces between, and of few that it writes out.
fn large_orders() -> [String; 3] {
    let [many, long, small] =
        [("1", 125_000), ("1e300", 860), ("-1e-300", 850)].map(|(value, count)| vec![value; count].join(","));
    let order = |(place, values): (usize, String)| {
        format!(
            r#"{{"order_id":"LARGE{place}","customer_id":"LARGE","timestamp":"2024-02-29T12:00:00Z","items":[{{"sku":"a","quantity":1,"price":1}}],"x":[{values}]}}"#
        )
    };
    [(0, many), (1, long), (2, small)].map(order)
}

#[tokio::test]
async fn what_validation_admits_is_stored_and_comes_back_equal_and_is_admitted_again() {
    let mut scene = Scene::start("roundtrip").await;
    let mut runner = TestRunner::default();
    let parser = OrderParser::new(Writing::views(), Currency::DEFAULT, 86_400_000_000);
    let mut expected = BTreeMap::new();
    let large = large_orders();
    assert!(large.iter().all(|text| parser.parse(text.as_bytes(), Timestamp::now()).is_ok()), "they are not too large");
    let made_up = std::iter::repeat_with(|| any_order().new_tree(&mut runner).unwrap().current()).take(MADE_UP_MAX);
    for text in large.into_iter().chain(made_up) {
        if let Ok(draft) = parser.parse(text.as_bytes(), Timestamp::now()) {
            let order = answered(&text, draft.total);
            // Of two orders of one customer with the same id the second would be a conflict.
            expected.entry(identity(&order)).or_insert((order, text));
        }
        if expected.len() == ORDERS {
            break;
        }
    }
    assert_eq!(expected.len(), ORDERS, "too few of {MADE_UP_MAX} are admitted");
    let admitted: Vec<&str> = expected.values().map(|(_, text)| text.as_str()).collect();
    scene.writing.write_texts(&admitted).await;

    let mut found = 0;
    let mut cursor = String::new();
    loop {
        let page = scene
            .query
            .request(&format!("/v1/orders?limit=100&as_placed=true{cursor}"))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let page = Json::read(&page);
        let Json::Array(data) = page.field("data") else { panic!("no list: {page:?}") };
        for order in data {
            let (sent, text) = &expected[&identity(order)];
            assert_eq!(order, sent, "{text}");
            found += 1;
        }
        match page.field("next_cursor") {
            Json::Text(next) => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    assert_eq!(found, admitted.len(), "orders are missing: dead letters?");

    let export = scene.query.request("/v1/orders").header("accept", "application/x-ndjson");
    let export = export.send().await.unwrap().text().await.unwrap();
    assert_eq!(export.lines().count(), admitted.len());
    for line in export.lines() {
        let again = parser.parse(line.as_bytes(), Timestamp::now());
        let start: String = line.chars().take(200).collect();
        let again = again.unwrap_or_else(|rejection| panic!("{rejection}: {} bytes, {start}", line.len()));
        assert_eq!(answered(line, again.total), expected[&identity(&Json::read(line))].0, "{start}");
    }
}
