-- How far `forebay index backfill` has come with this shard's orders: every order up to this key, in the order of
-- (ordered_at, order_id, customer_id, tenant), has its index and view facts in the log.
create table backfill (
    -- What is filled in, such as `index` or `views:seller=items[].seller_id`.
    job         text        collate "C" primary key,
    ordered_at  timestamptz not null,
    order_id    text        collate "C" not null,
    customer_id text        collate "C" not null,
    tenant      text        collate "C" not null,
    orders      int8        not null,
    updated_at  timestamptz not null
);
