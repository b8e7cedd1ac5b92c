-- The facts of one shard: tables are append-only, a row never changes, and its primary key is the identity that the
-- fact itself carries. Every text is compared byte by byte (collation "C"), so that order and equality are the same on
-- every shard and in every process.

-- Lane `orders`. The primary key is also a customer's history in order. The writer makes the partitions.
create table orders (
    bucket      int2        not null,
    customer_id text        collate "C" not null,
    ordered_at  timestamptz not null,
    order_id    text        collate "C" not null,
    total       int8        not null,
    items       jsonb       not null,
    -- A JSON object of every top-level field of the order that has no column; `{}` when there is none.
    attributes  jsonb       not null,
    primary key (bucket, customer_id, ordered_at, order_id)
) partition by range (ordered_at);

create index orders_by_time on orders (ordered_at, order_id);

-- Lane `index`: order id to customer and time.
create table order_index (
    order_id    text        collate "C" not null,
    customer_id text        collate "C" not null,
    ordered_at  timestamptz not null,
    primary key (order_id, customer_id)
);

-- Lane `views`: an order as one key of a view sees it, with only that key's items.
create table order_views (
    view        text        collate "C" not null,
    key         text        collate "C" not null,
    ordered_at  timestamptz not null,
    order_id    text        collate "C" not null,
    customer_id text        collate "C" not null,
    bucket      int2        not null,
    subtotal    int8        not null,
    items       jsonb       not null,
    primary key (view, key, ordered_at, order_id, customer_id)
) partition by range (ordered_at);
