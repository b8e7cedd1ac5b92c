-- How far `forebay views add` or `forebay index backfill` has come with this shard's orders: what follows from every order up to
-- this key, in the order of (ordered_at, order_id, customer_id, tenant), is stored.
create table backfill (
    -- What is filled in, such as `index` or `views:1,4`, by the views' ids.
    job         text        collate "C" primary key,
    ordered_at  timestamptz not null,
    order_id    text        collate "C" not null,
    customer_id text        collate "C" not null,
    tenant      text        collate "C" not null,
    orders      int8        not null,
    updated_at  timestamptz not null
);
