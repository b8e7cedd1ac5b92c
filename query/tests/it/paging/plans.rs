//! Every read is a walk along an index, over the partitions that it needs.

use forebay_model::{Lane, OrderKind, ShardId, Status};
use forebay_shard::read::Filter;
use forebay_shard::read::sql::{Bounds, INDEX, Kind, POSITION, SESSION, TIMES, text};
use forebay_shard::{ShardAddresses, StatusIndexes};
use serde_json::{Value, json};

use crate::scene::Scene;

const KINDS: [(Kind, &str, &str); 10] = [
    (
        Kind::CustomerNewest,
        "timestamptz, timestamptz, text, int8, int2, text, text",
        "'2025-03-11Z', '2025-03-20Z', 'x', 51, 1::int2, '', 'C1'",
    ),
    (
        Kind::EverybodyNewest,
        "timestamptz, timestamptz, text, text, int8, text, int8",
        "'2025-03-11Z', '2025-03-20Z', 'x', 'C1', 101, '', 0",
    ),
    (
        Kind::EverybodyOldest,
        "timestamptz, timestamptz, text, text, int8, text, int8",
        "'2025-03-03Z', '2025-03-22Z', 'x', 'C1', 101, '', 0",
    ),
    (
        Kind::ViewNewest,
        "timestamptz, timestamptz, text, text, int8, int2, text, int2, text",
        "'2025-03-11Z', '2025-03-20Z', 'x', 'C1', 51, 1::int2, '', 1::int2, 'S1'",
    ),
    (
        Kind::CustomerOldest,
        "timestamptz, timestamptz, text, int8, int2, text, text",
        "'2025-03-03Z', '2025-03-22Z', 'x', 51, 1::int2, '', 'C1'",
    ),
    (
        Kind::ViewOldest,
        "timestamptz, timestamptz, text, text, int8, int2, text, int2, text",
        "'2025-03-03Z', '2025-03-22Z', 'x', 'C1', 51, 1::int2, '', 1::int2, 'S1'",
    ),
    (
        Kind::OfCustomer,
        "int2, text, text, timestamptz, timestamptz, text",
        "1::int2, '', 'C1', '2025-03-07Z', '2025-03-07 00:00:00.000001Z', 'x'",
    ),
    (
        Kind::WithId,
        "timestamptz, timestamptz, text, int8, text, int2",
        "'2025-03-07Z', '2025-03-07 00:00:00.001Z', 'x', 100, '', 1::int2",
    ),
    (Kind::Search, "int2, text, text, text", "1::int2, '', 'C1', 'x'"),
    (
        Kind::InView,
        "int2, text, int2, text, timestamptz, timestamptz, text, int8",
        "1::int2, '', 1::int2, 'S1', '2025-03-07Z', '2025-03-07 00:00:00.001Z', 'x', 100",
    ),
];

/// The plan nodes of a statement, as a session of the service makes it.
async fn plan(scene: &Scene, statement: &str, types: &str, values: &str) -> Vec<Value> {
    let settings = SESSION.map(|(name, value)| format!("set {name} = '{value}';")).join(" ");
    let plan = scene
        .sql(
            ShardId(0),
            &format!(
                "{settings} prepare read ({types}) as {statement}; explain (analyze, format json) execute read ({values})"
            ),
        )
        .await;
    let start = plan.find("[\n").unwrap_or_else(|| panic!("no plan: {plan}"));
    let plan: Value = serde_json::from_str(&plan[start..]).unwrap_or_else(|error| panic!("{error}: {plan}"));
    let mut nodes = Vec::new();
    let mut open = vec![plan[0]["Plan"].clone()];
    while let Some(node) = open.pop() {
        // What happened to orders is read beside them, from a table of its own; and so is what is said of the unit.
        if node["Subplan Name"].is_string() {
            let scanned = names(std::slice::from_ref(&node), "Relation Name");
            assert!(
                scanned.iter().all(|name| name.ends_with("_events") || ["unit_owner", "parked"].contains(&&**name)),
                "{node}"
            );
            continue;
        }
        open.extend(node["Plans"].as_array().cloned().unwrap_or_default());
        nodes.push(node);
    }
    nodes
}

fn names(nodes: &[Value], key: &str) -> Vec<String> {
    nodes.iter().filter_map(|node| node[key].as_str()).map(str::to_owned).collect()
}

/// A hundred days, from 2025-01-01 on; half of the statistics have never been gathered.
async fn a_hundred_days(scene: &mut Scene) {
    let start = forebay_model::Timestamp::parse("2025-01-01T05:00:00Z").unwrap();
    let order = |n: i64| {
        json!({
            "order_id": format!("X{n}"), "customer_id": format!("C{}", n % 3),
            "timestamp": start.plus_us(n * 86_400_000_000 / 4).to_string(),
            "items": [{"sku": "x", "quantity": 1, "price": 5, "seller_id": "S1"}]
        })
    };
    scene.writing.write(&(0..400).map(order).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn every_read_walks_an_index_of_the_partitions_that_it_needs() {
    let mut scene = Scene::start("plans").await;
    a_hundred_days(&mut scene).await;
    let month = "ordered_at >= '2025-03-01T00:00:00Z' and ordered_at < '2025-04-01T00:00:00Z'";
    let day = "ordered_at >= '2025-03-07T00:00:00Z' and ordered_at < '2025-03-08T00:00:00Z'";
    for is_analyzed in [false, true] {
        if is_analyzed {
            scene.sql(ShardId(0), "analyze").await;
        }
        for (kind, types, values) in KINDS {
            let is_single = matches!(kind, Kind::OfCustomer | Kind::WithId | Kind::InView);
            let window = if is_single { day } else { month };
            let bounds = Bounds { last: true, end: true };
            let everything = Filter::default();
            let nodes = plan(&scene, &text(kind, window, bounds, everything), types, values).await;
            let shape = names(&nodes, "Node Type");
            let allowed = ["Append", "Limit", "Index Scan", "Incremental Sort", "Subquery Scan", "Result"];
            assert!(shape.iter().all(|node| allowed.contains(&node.as_str())), "{kind:?}: {shape:?}");
            let scanned = names(&nodes, "Relation Name");
            let table = kind.lane().table();
            let partitions = scanned.iter().filter(|name| name.starts_with(table)).count();
            let needed = match kind {
                Kind::OfCustomer | Kind::WithId | Kind::InView => 1,
                Kind::Search => 31,
                // The far end of the range prunes, the last row is only looked for.
                _ => 21,
            };
            assert_eq!(partitions, needed, "{kind:?} scans {scanned:?}");
            assert!(scanned.contains(&"stream_position".to_owned()), "{kind:?}");
            // Only everybody's list needs a sort: of orders with the same time and id.
            let sorts = shape.iter().filter(|node| *node == "Incremental Sort").count();
            let is_everybody = matches!(kind, Kind::EverybodyNewest | Kind::EverybodyOldest);
            assert_eq!(sorts, usize::from(is_everybody), "{kind:?}: {shape:?}");
        }
        for (kind, types, values) in &KINDS[1..3] {
            let nodes =
                plan(&scene, &text(*kind, day, Bounds { last: true, end: true }, Filter::default()), types, values)
                    .await;
            let scanned = names(&nodes, "Relation Name");
            let partitions = scanned.iter().filter(|name| name.starts_with("orders")).count();
            assert_eq!(partitions, 1, "{kind:?} scans {scanned:?} for the first rows");
        }
        let statements = [
            (INDEX[0], "int2, text, text, int8", "1::int2, '', 'X1', 100"),
            (INDEX[1], "int2, text, text, int8, text", "1::int2, '', 'X1', 100, 'C1'"),
            (TIMES[0], "text, text, int8, int8", "'', 'X1', 100, 0"),
            (TIMES[1], "text, text, int8, int8, text", "'', 'X1', 100, 0, 'C1'"),
        ];
        for (statement, types, values) in statements {
            let nodes = plan(&scene, statement, types, values).await;
            let shape = names(&nodes, "Node Type");
            // The buckets of customers are as many as there are, and the few customers of an id are sorted.
            let allowed = ["Append", "Limit", "Index Scan", "Subquery Scan", "Result", "ProjectSet", "Sort"];
            assert!(shape.iter().all(|node| allowed.contains(&node.as_str())), "{shape:?}");
        }
        let nodes = plan(&scene, POSITION, "text", "'logged'").await;
        assert_eq!(names(&nodes, "Node Type"), ["Index Scan"]);
    }
}

#[tokio::test]
async fn returns_are_found_without_a_look_at_the_sales_between_them() {
    let mut scene = Scene::start("returnplans").await;
    a_hundred_days(&mut scene).await;
    let month = "ordered_at >= '2025-03-01T00:00:00Z' and ordered_at < '2025-04-01T00:00:00Z'";
    let (bounds, returns) =
        (Bounds { last: true, end: true }, Filter { kind: Some(OrderKind::Return), ..Filter::default() });
    for is_analyzed in [false, true] {
        if is_analyzed {
            scene.sql(ShardId(0), "analyze").await;
        }
        for (kind, types, values) in &KINDS[..6] {
            let nodes = plan(&scene, &text(*kind, month, bounds, returns), types, values).await;
            let looked: i64 = nodes.iter().filter_map(|node| node["Rows Removed by Filter"].as_i64()).sum();
            let read = nodes
                .iter()
                .filter(|node| node["Relation Name"].as_str().is_some_and(|name| name.starts_with("order")));
            let read = read.filter_map(|node| node["Actual Rows"].as_f64()).sum::<f64>();
            assert_eq!((looked, read), (0, 0.0), "{kind:?} looks at what is not wanted: {nodes:?}");
        }
    }
}

/// A history of a customer and of a seller, minute by minute: almost all of it is on its way.
async fn a_long_history(scene: &Scene) {
    let each = "'2025-03-01Z'::timestamptz + n * interval '1 minute', 'H' || n";
    let rest = "case when n % 7 = 0 then 'return' else 'sale' end, 'EUR', 1";
    let status = "case when n % 1000 = 1 then 0 else 3 end, '[]'";
    let orders = format!(
        "insert into orders (bucket, tenant, customer_id, ordered_at, order_id, kind, currency, total, status, items, attributes, place_seq, place_log) \
         select 1, '', 'C1', {each}, {rest}, {status}, '{{}}', 1, 1 from generate_series(1, 20000) n"
    );
    let views = format!(
        "insert into order_views (bucket, tenant, view, key, ordered_at, order_id, customer_id, kind, currency, subtotal, status, items) \
         select 1, '', 1, 'S1', {each}, 'C1', {rest}, {status} from generate_series(1, 20000) n"
    );
    // Of most others there are a few, of each of which the bucket tells as much as its name.
    let other = |sql: &str| {
        sql.replace("select 1, '', 'C1'", "select n % 4000, '', 'D' || n % 4000")
            .replace("select 1, '', 1, 'S1'", "select n % 4000, '', 1, 'D' || n % 4000")
    };
    let (other_orders, other_views) = (other(&orders), other(&views));
    let events = "insert into order_events values (1, '', 'H2', 'C1', 'E', 'shipped', now(), 1, 1, '{}'); \
        insert into view_events values (1, '', 1, 'S1', now(), 'H2', 'C1', 'E', 'shipped', now(), '{}')";
    for insert in [&orders, &other_orders, &views, &other_views, events] {
        scene.sql(ShardId(0), insert).await;
    }
}

#[tokio::test]
async fn orders_of_a_status_are_found_without_a_look_at_the_history_between_them() {
    let mut scene = Scene::start("statusplans").await;
    a_hundred_days(&mut scene).await;
    let addresses: ShardAddresses = scene.shards.urls[0].parse().unwrap();
    let address = addresses.iter().next().unwrap();
    for lane in [Lane::Orders, Lane::Views] {
        assert_eq!(StatusIndexes::make(address, lane).await.unwrap(), StatusIndexes::NotNeeded);
    }
    a_long_history(&scene).await;
    for (lane, indexes) in [(Lane::Orders, 2), (Lane::Views, 1)] {
        let partitions = format!("select count(*) from pg_inherits where inhparent = '{}'::regclass", lane.table());
        let partitions: usize = scene.sql(ShardId(0), &partitions).await.parse().unwrap();
        // What a crash has left half made is made anew.
        let half = format!("create index {0}_20250310_status on {0}_20250310 (kind)", lane.table());
        scene.sql(ShardId(0), &half).await;
        assert_eq!(StatusIndexes::make(address, lane).await.unwrap(), StatusIndexes::Made(indexes * partitions));
        assert_eq!(StatusIndexes::make(address, lane).await.unwrap(), StatusIndexes::Made(0));
    }
    let month = "ordered_at >= '2025-03-01T00:00:00Z' and ordered_at < '2025-04-01T00:00:00Z'";
    let bounds = Bounds { last: true, end: true };
    for is_analyzed in [false, true] {
        if is_analyzed {
            scene.sql(ShardId(0), "analyze").await;
        }
        for (kind, types, values) in &KINDS[..6] {
            for status in [Status::Placed, Status::Packed, Status::Shipped] {
                for part in (Filter { status: Some(status), ..Filter::default() }).parts() {
                    let nodes = plan(&scene, &text(*kind, month, bounds, part), types, values).await;
                    let looked: i64 = nodes.iter().filter_map(|node| node["Rows Removed by Filter"].as_i64()).sum();
                    assert_eq!(looked, 0, "{kind:?} {part} looks at what is not wanted: {nodes:?}");
                    let walked = names(&nodes, "Index Name");
                    let others =
                        walked.iter().filter(|index| !index.contains("status") && *index != "stream_position_pkey");
                    assert_eq!(others.count(), 0, "{kind:?} {part} walks {walked:?}");
                }
            }
        }
    }
}
