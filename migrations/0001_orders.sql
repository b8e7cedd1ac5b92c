-- The facts of one shard: tables are append-only, a row never changes, and its primary key is the identity that the
-- fact itself carries. Every text is compared byte by byte (collation "C"), so that order and equality are the same on
-- every shard and in every process.
--
-- Each table's key begins with the bucket that its rows are routed by, which depends on the routing key alone, so that what
-- belongs to a bucket stands together. The tenant follows: a part of every identity, and empty where tenants are not used.

-- Lane `orders`, routed by the customer. The primary key is also a customer's history in order. The writer makes the partitions.
create table orders (
    bucket      int2        not null,
    tenant      text        collate "C" not null,
    customer_id text        collate "C" not null,
    ordered_at  timestamptz not null,
    order_id    text        collate "C" not null,
    -- As ISO 4217 has it. What `total` is in.
    currency    text        collate "C" not null check (currency ~ '^[A-Z]{3}$'),
    total       int8        not null,
    items       jsonb       not null,
    -- A JSON object of every top-level field of the order that has no column; `{}` when there is none.
    attributes  jsonb       not null,
    primary key (bucket, tenant, customer_id, ordered_at, order_id)
) partition by range (ordered_at);

create index orders_by_time on orders (ordered_at, order_id);

-- No statement looks for the insides of a fact, and sorting them is most of what `analyze` would do: several times what
-- storing them has cost. New partitions take over what is set here.
alter table orders alter column items set statistics 0, alter column attributes set statistics 0;

-- The time of every order whose id does not tell it. `orders` is partitioned by time, so its key has the time in it, and a
-- customer's second order with the same id at another time would fit beside the first. Here it does not: the first stays, and
-- the other is a conflict. Ids that Forebay assigns tell their order's time, so their orders have no row. The bucket is the
-- order's, so that a row lies where its order does.
create table order_time (
    bucket      int2        not null,
    tenant      text        collate "C" not null,
    order_id    text        collate "C" not null,
    customer_id text        collate "C" not null,
    ordered_at  timestamptz not null,
    primary key (bucket, tenant, order_id, customer_id)
);
