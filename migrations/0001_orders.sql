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
    -- `sale`, or `return`: a credit note, with negative quantities.
    kind        text        collate "C" not null check (kind in ('sale', 'return')),
    -- As ISO 4217 has it. What `total` is in.
    currency    text        collate "C" not null check (currency ~ '^[A-Z]{3}$'),
    total       int8        not null,
    -- The place in the log where it was first stored: which log, and the sequence number of the frame. No client sees it.
    place_seq   int8        not null,
    place_log   int2        not null,
    -- What has become of it: the fold over it and its events, as the transaction that stores either leaves it; 0 is placed. Derived, so it
    -- changes, and no other column does but `amended`.
    status      int2        not null default 0,
    items       jsonb       not null,
    -- A JSON object of every top-level field of the order that has no column; `{}` when there is none.
    attributes  jsonb       not null,
    -- What the items come to as they are now, where they were amended; null where `total` still says it. Derived as `status` is.
    amended     int8,
    primary key (bucket, tenant, customer_id, ordered_at, order_id)
) partition by range (ordered_at);

create index orders_by_time on orders (ordered_at, order_id);

-- Returns are few among sales: their lists have indexes of their own, which cost a sale nothing.
create index orders_returns_by_customer on orders (bucket, tenant, customer_id, ordered_at, order_id) where kind = 'return';
create index orders_returns_by_time on orders (ordered_at, order_id) where kind = 'return';

-- What lies between two places of a log, in its order. The rows of a frame have one place, which the index has once.
create index orders_by_place on orders (place_log, place_seq);

-- What the orders of each hour come to as they are now, by tenant, kind and currency: kept in the transaction that stores them, or what
-- amends them, so it is exact at every position. Totals of any time are read from it, but for the hours that a range cuts.
create table order_sums (
    tenant   text        collate "C" not null,
    -- When it begins (UTC).
    hour     timestamptz not null,
    kind     text        collate "C" not null,
    currency text        collate "C" not null,
    orders   int8        not null,
    -- It may have more than 64 bits.
    total    numeric     not null,
    primary key (tenant, hour, kind, currency)
-- The present hour changes with each commit: there is room beside it for what it was before.
) with (fillfactor = 50);

-- The logs that rows of this shard were first stored from: makings of a logged stream, this shard's own or, for rows that were
-- copied here, another's. Rows name them by number. A number is never given twice, and a later making has a larger one.
create table place_log (
    number      int2        primary key,
    shard       int2        not null,
    -- As in `stream_position`.
    incarnation int8        not null,
    unique (shard, incarnation)
);

-- No statement looks for the insides of a fact, and sorting them is most of what `analyze` would do: several times what
-- storing them has cost. New partitions take over what is set here. Nor is it known how many orders have which status: that changes
-- faster than it is gathered, and without figures each is taken for rare, so that the indexes by status, where there are such, are the way.
alter table orders alter column items set statistics 0, alter column attributes set statistics 0, alter column status set statistics 0;

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
