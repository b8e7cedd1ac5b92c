use super::*;
use proptest::prelude::*;
use serde_json::json;

const ITEMS: &str =
    r#"[{"sku":"A","quantity":2,"price":100},{"sku":"B","quantity":1,"price":50},{"sku":"A","quantity":1,"price":90}]"#;

fn event<'a>(id: &str, kind: &str, at: i64, content: &'a str) -> StoredEvent<'a> {
    StoredEvent {
        event_id: id.to_owned(),
        kind: kind.parse().unwrap(),
        at: Timestamp::from_unix_us(at),
        content: content.into(),
    }
}

fn life(events: Vec<StoredEvent<'_>>) -> Life {
    Life::of(Timestamp::from_unix_us(0), ITEMS, &StoredEvents::new(events))
}

fn status(events: Vec<StoredEvent<'_>>) -> (String, i64) {
    let life = life(events);
    (life.status.to_string(), life.status_at.unix_us())
}

#[test]
fn the_latest_state_by_its_own_time_counts_whenever_it_came() {
    assert_eq!(status(vec![]), ("placed".to_owned(), 0));
    assert_eq!(status(vec![event("1", "note", 9, "{}")]), ("placed".to_owned(), 0));
    let events = || vec![event("1", "delivered", 5, "{}"), event("2", "shipped", 3, "{}"), event("3", "x-a", 8, "{}")];
    assert_eq!(status(events()), ("delivered".to_owned(), 5));
    let at_once = vec![event("9", "packed", 5, "{}"), event("1", "shipped", 5, "{}")];
    assert_eq!(status(at_once), ("shipped".to_owned(), 5), "of the same instant the further state");
}

#[test]
fn an_order_is_returned_only_when_all_of_it_is() {
    let part = r#"{"items":[{"sku":"A","quantity":3}]}"#;
    let rest = r#"{"items":[{"sku":"B","quantity":2},{"sku":"Z","quantity":1}]}"#;
    let both =
        || vec![event("3", "returned", 7, rest), event("2", "returned", 6, part), event("1", "delivered", 5, "{}")];
    assert_eq!(status(both().into_iter().skip(1).collect()), ("delivered".to_owned(), 5));
    assert_eq!(status(both()), ("returned".to_owned(), 7));
    let life = life(both());
    assert_eq!(json!(life.returned), json!({"A": 3, "B": 2, "Z": 1}));
    assert_eq!(json!(life.returned_beyond), json!({"B": 1, "Z": 1}));
    assert_eq!(status(vec![event("1", "returned", 4, "{}")]), ("returned".to_owned(), 4), "without items all of it");
}

#[test]
fn amended_fields_and_items_are_those_of_the_latest_event() {
    let life = life(vec![
        event("2", "amended", 4, r#"{"set":{"a":2},"items":[{"sku":"B","quantity":2,"price":7}]}"#),
        event("1", "amended", 3, r#"{"set":{"a":1,"b":[1.50]},"items":[{"sku":"C","quantity":1,"price":1}]}"#),
        event("3", "returned", 1, r#"{"items":[{"sku":"B","quantity":2}]}"#),
    ]);
    assert_eq!(life.items.unwrap(), Amended { items: r#"[{"sku":"B","quantity":2,"price":7}]"#.to_owned(), sum: 14 });
    assert_eq!(json!(life.set), json!({"a": "2", "b": "[1.50]"}));
    assert_eq!((life.amended_at.map(Timestamp::unix_us), life.status), (Some(4), Status::Returned));
}

#[test]
fn a_field_that_means_nothing_in_a_kind_may_be_anything() {
    let part = r#"{"items":[{"sku":"B","quantity":1,"price":"?"}],"amount":"29.99","set":7}"#;
    let life = life(vec![
        event("1", "returned", 3, part),
        event("2", "paid", 4, r#"{"amount":5,"set":"A12","items":{}}"#),
        event("3", "amended", 5, r#"{"amount":1.5,"set":{"a":1}}"#),
    ]);
    assert_eq!((json!(life.returned), life.status), (json!({"B": 1}), Status::Placed));
    assert_eq!((life.paid, json!(life.set)), (Some(5), json!({"a": "1"})));
}

#[test]
fn a_sale_stays_a_sale_whatever_an_amendment_gives() {
    let back = r#"{"items":[{"sku":"A","quantity":-1,"price":7}],"set":{"a":1}}"#;
    let amended = life(vec![event("1", "amended", 3, back)]);
    assert_eq!((amended.items, json!(amended.set)), (None, json!({"a": "1"})));
    let placed = r#"[{"sku":"A","quantity":-2,"price":7}]"#;
    let of = |content| {
        let events = StoredEvents::new(vec![event("1", "amended", 3, content)]);
        Life::of(Timestamp::from_unix_us(0), placed, &events).items.map(|items| items.sum)
    };
    assert_eq!((of(back), of(r#"{"items":[{"sku":"A","quantity":1,"price":7}]}"#)), (Some(-7), None));
}

#[test]
fn money_adds_up() {
    let life = life(vec![
        event("1", "paid", 1, r#"{"amount":5}"#),
        event("2", "paid", 2, r#"{"amount":7}"#),
        event("3", "refunded", 2, "{}"),
    ]);
    assert_eq!((life.paid, life.refunded), (Some(12), Some(0)));
}

#[test]
fn money_adds_up_beyond_64_bits() {
    let amount = format!(r#"{{"amount":{}}}"#, i64::MAX);
    let twice = |kind| ["1", "2"].map(|number| event(&format!("{kind}{number}"), kind, 1, &amount));
    let life = life([twice("paid"), twice("refunded")].into_iter().flatten().collect());
    let sum = Some(2 * i128::from(i64::MAX));
    assert_eq!((life.paid, life.refunded), (sum, sum));
}

proptest! {
    #[test]
    fn the_order_of_arrival_makes_no_difference(
        events in prop::collection::btree_map("[a-e]{1,2}", (0usize..10, 0i64..6, 0usize..4), 0..12),
        seed in any::<u64>(),
    ) {
        let contents = [
            "{}",
            r#"{"amount":3,"items":[{"sku":"A","quantity":2,"price":1}],"set":{"a":1}}"#,
            r#"{"amount":4,"items":[{"sku":"B","quantity":1,"price":1},{"sku":"A","quantity":1,"price":2}],"set":{"b":2}}"#,
            r#"{"set":{"a":3}}"#,
        ];
        let made = |(id, (kind, at, content)): (&String, &(usize, i64, usize))| {
            event(id, EventKind::NAMED[*kind].as_str(), *at, contents[*content])
        };
        let sorted: Vec<_> = events.iter().map(made).collect();
        let mut shuffled = sorted.clone();
        // Any permutation: by a hash of the place.
        shuffled.sort_by_key(|event| xxhash_rust::xxh3::xxh3_64_with_seed(event.event_id.as_bytes(), seed));
        prop_assert_eq!(format!("{:?}", life(sorted)), format!("{:?}", life(shuffled)));
    }
}
