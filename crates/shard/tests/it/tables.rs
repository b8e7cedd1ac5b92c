//! The tables are those that the model's tuples are made for.

use forebay_model::lane::ColumnType;
use forebay_model::{Bucket, Hash, Lane, Tenant};
use forebay_shard::migrate;

use crate::scene::Scene;

#[tokio::test]
async fn migrating_at_once_from_several_processes_works() {
    let scene = Scene::empty("migrate").await;
    let addresses = scene.addresses();
    let all = futures::future::join_all((0..4).map(|_| migrate(&addresses))).await;
    for migrated in all {
        migrated.unwrap();
    }
    migrate(&addresses).await.unwrap();
    assert_eq!(scene.sql("select count(*) from stream_position").await, "0");
}

#[tokio::test]
async fn every_table_and_what_others_read_of_it_is_explained() {
    let scene = Scene::new("comments").await;
    let tables = "select string_agg(relname, ' ' order by relname) from pg_class c \
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v') and not relispartition \
        and relname <> '_sqlx_migrations' and obj_description(c.oid, 'pg_class') is null";
    assert_eq!(scene.sql(tables).await, "");
    let columns = "select string_agg(relname || '.' || attname, ' ' order by relname, attnum) from pg_class c \
        join pg_attribute a on attrelid = c.oid and attnum > 0 and not attisdropped \
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v') and not relispartition \
        and obj_description(c.oid, 'pg_class') not like 'Of Forebay%' and relname <> '_sqlx_migrations' \
        and col_description(c.oid, attnum) is null";
    assert_eq!(scene.sql(columns).await, "");
    let functions = "select string_agg(proname, ' ' order by proname) from pg_proc p \
        where pronamespace = 'public'::regnamespace and prorettype <> 'trigger'::regtype \
        and obj_description(p.oid, 'pg_proc') is null";
    assert_eq!(scene.sql(functions).await, "");
}

#[tokio::test]
async fn sql_knows_buckets_as_the_model_does_and_finds_a_customer_by_the_key() {
    let scene = Scene::new("buckets").await;
    let none = Tenant::none();
    let customers =
        ["CUST789", "0", "7", "4097", "-1", "-0", "007", "9223372036854775807", "9223372036854775808", "Ünï'c\"ode"];
    for routing in [Hash::Md5, Hash::Modulo] {
        scene.sql("truncate shard_identity").await;
        let taken =
            format!("insert into shard_identity (system, shard, routing) values ('x', 0, '{}')", routing.as_str());
        scene.sql(&taken).await;
        for customer in customers {
            let quoted = customer.replace('\'', "''");
            let bucket = scene.sql(&format!("select forebay_bucket('{quoted}'), forebay_key_bucket('{quoted}')")).await;
            let expected = [routing.bucket_of(none, customer), Bucket::of_key(none, customer)];
            assert_eq!(bucket, format!("{}|{}", expected[0], expected[1]), "{customer} by {}", routing.as_str());
        }
    }
    let tenant = Tenant::new("T1").unwrap();
    let of_tenant = scene.sql("select forebay_bucket('7', 'T1')").await;
    assert_eq!(of_tenant, Hash::Modulo.bucket_of(&tenant, "7").to_string());

    let plan = scene.sql("set enable_seqscan = off; explain select * from forebay_orders_of('CUST789') order by ordered_at desc limit 5").await;
    assert!(!plan.contains("Function Scan"), "it is a part of the question: {plan}");
    let plan = scene.sql("create table p partition of orders for values from ('2025-01-01') to ('2026-01-01'); set enable_seqscan = off; explain select * from forebay_orders_of('CUST789')").await;
    assert!(plan.contains("Index Cond: ((bucket = ") && plan.contains("customer_id = 'CUST789'"), "{plan}");
}

#[tokio::test]
async fn columns_and_identities_are_those_of_the_model() {
    let scene = Scene::new("tables").await;
    let tables = Lane::ALL.map(|lane| (lane, lane.table()));
    // The times of orders are made as tuples of lane `index`.
    for (lane, table) in tables.into_iter().chain([(Lane::Index, "order_time")]) {
        let columns = scene
            .sql(&format!(
                "select string_agg(attname || ' ' || atttypid::regtype || coalesce(' ' || c.collname, ''), ',' order by attnum) \
                 from pg_attribute a left join pg_collation c on c.oid = attcollation \
                 where attrelid = '{table}'::regclass and attnum > 0 and attname not like 'place%' \
                 and attname not in ('status', 'amended', 'has_items')"
            ))
            .await;
        let expected: Vec<_> = lane
            .columns()
            .iter()
            .map(|column| {
                let kind = match column.kind {
                    ColumnType::Int2 => "smallint",
                    ColumnType::Int8 => "bigint",
                    ColumnType::Text => "text C",
                    ColumnType::Timestamptz => "timestamp with time zone",
                    ColumnType::Jsonb => "jsonb",
                };
                format!("{} {kind}", column.name)
            })
            .collect();
        assert_eq!(columns, expected.join(","), "{table}");
        let identity = scene
            .sql(&format!(
                "select string_agg(attname, ',' order by array_position(indkey::int2[], attnum)) from pg_index \
                 join pg_attribute on attrelid = indrelid and attnum = any(indkey) \
                 where indrelid = '{table}'::regclass and indisprimary"
            ))
            .await;
        assert_eq!(identity, lane.identity().join(","), "{table}");
    }
}
