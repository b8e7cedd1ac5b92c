-- Lane `index`: order id to customer and time, routed by the order id.
create table order_index (
    bucket      int2        not null,
    tenant      text        collate "C" not null,
    order_id    text        collate "C" not null,
    customer_id text        collate "C" not null,
    ordered_at  timestamptz not null,
    primary key (bucket, tenant, order_id, customer_id)
);
