//! The tables are those that the model's tuples are made for.

use forebay_model::Lane;
use forebay_model::lane::ColumnType;
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
async fn columns_and_identities_are_those_of_the_model() {
    let scene = Scene::new("tables").await;
    let tables = Lane::ALL.map(|lane| (lane, lane.table()));
    // The times of orders are made as tuples of lane `index`.
    for (lane, table) in tables.into_iter().chain([(Lane::Index, "order_time")]) {
        let columns = scene
            .sql(&format!(
                "select string_agg(attname || ' ' || atttypid::regtype || coalesce(' ' || c.collname, ''), ',' order by attnum) \
                 from pg_attribute a left join pg_collation c on c.oid = attcollation \
                 where attrelid = '{table}'::regclass and attnum > 0 and attname not like 'place%'"
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
