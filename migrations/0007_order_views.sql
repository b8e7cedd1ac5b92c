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
    primary key (bucket, tenant, view, key, ordered_at, order_id, customer_id)
) partition by range (ordered_at);

-- As of `orders`.
create index order_views_returns on order_views (bucket, tenant, view, key, ordered_at, order_id, customer_id) where kind = 'return';

-- As of `orders`, too.
alter table order_views alter column items set statistics 0, alter column status set statistics 0;
