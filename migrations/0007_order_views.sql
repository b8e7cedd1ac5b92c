-- Lane `views`: an order as one key of a view sees it, with only that key's items, routed by the key.
create table order_views (
    bucket      int2        not null,
    tenant      text        collate "C" not null,
    -- Which view; those that there are stand in `view_in_force`.
    view        int2        not null,
    key         text        collate "C" not null,
    ordered_at  timestamptz not null,
    order_id    text        collate "C" not null,
    customer_id text        collate "C" not null,
    kind        text        collate "C" not null check (kind in ('sale', 'return')),
    currency    text        collate "C" not null check (currency ~ '^[A-Z]{3}$'),
    subtotal    int8        not null,
    -- As of `orders`: the fold over what the key sees.
    status      int2        not null default 0,
    items       jsonb       not null,
    -- As of `orders`: what the key's items come to now, and whether there are any; both null where they were not amended.
    amended     int8,
    has_items   bool,
    primary key (bucket, tenant, view, key, ordered_at, order_id, customer_id)
) partition by range (ordered_at);

-- As of `orders`.
create index order_views_returns on order_views (bucket, tenant, view, key, ordered_at, order_id, customer_id) where kind = 'return';

-- As of `orders`, too.
alter table order_views alter column items set statistics 0, alter column status set statistics 0;

-- What the orders of each hour come to for each key of a view, as `order_sums`. An order that leaves its key no items is not among them.
create table view_sums (
    bucket   int2        not null,
    tenant   text        collate "C" not null,
    view     int2        not null,
    key      text        collate "C" not null,
    -- When it begins (UTC).
    hour     timestamptz not null,
    kind     text        collate "C" not null,
    currency text        collate "C" not null,
    orders   int8        not null,
    total    numeric     not null,
    primary key (bucket, tenant, view, key, hour, kind, currency)
-- A key with many orders changes its present hour with each commit; most keys have one order in most hours.
) with (fillfactor = 80);
