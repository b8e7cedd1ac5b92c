-- Lane `events`: what happened to orders, routed as they are. An event may be here before its order.
create table order_events (
    bucket      int2        not null,
    tenant      text        collate "C" not null,
    order_id    text        collate "C" not null,
    -- Empty where Forebay assigned the order's id, which leads to its customer: an event sent with the customer and without is one.
    customer_id text        collate "C" not null,
    event_id    text        collate "C" not null,
    kind        text        collate "C" not null,
    happened_at timestamptz not null,
    -- As of `orders`.
    place_seq   int8        not null,
    place_log   int2        not null,
    -- A JSON object of every field of the event that has no column; `{}` when there is none.
    content     jsonb       not null,
    primary key (bucket, tenant, order_id, customer_id, event_id)
);

-- As of `orders`.
create index order_events_by_place on order_events (place_log, place_seq);
alter table order_events alter column content set statistics 0;

-- Orders that events are waiting for: what follows from an event for views is derived with its order, whichever is stored last.
create table order_awaited (
    bucket      int2 not null,
    tenant      text collate "C" not null,
    order_id    text collate "C" not null,
    -- As of `order_events`.
    customer_id text collate "C" not null,
    primary key (bucket, tenant, order_id, customer_id)
);

-- Lane `view_events`: what one key of a view sees of what happened to an order, routed by the key.
create table view_events (
    bucket      int2        not null,
    tenant      text        collate "C" not null,
    view        int2        not null,
    key         text        collate "C" not null,
    -- The order's.
    ordered_at  timestamptz not null,
    order_id    text        collate "C" not null,
    customer_id text        collate "C" not null,
    event_id    text        collate "C" not null,
    kind        text        collate "C" not null,
    happened_at timestamptz not null,
    -- A JSON object: of an event that gives the order other items, or takes some back, those of the key.
    content     jsonb       not null,
    primary key (bucket, tenant, view, key, ordered_at, order_id, customer_id, event_id)
);

alter table view_events alter column content set statistics 0;

comment on table order_events is 'What happened to orders. An event may be here before its order; a row never changes';
comment on column order_events.bucket is 'The order''s: the bucket of its customer';
comment on column order_events.tenant is 'As in orders';
comment on column order_events.order_id is 'Of which order';
comment on column order_events.customer_id is 'Of which customer; empty where Forebay assigned the order''s id, which leads to its customer';
comment on column order_events.event_id is 'Unique for its order';
comment on column order_events.kind is 'What happened: shipped, say';
comment on column order_events.happened_at is 'When: at of the interface';
comment on column order_events.place_seq is 'Of Forebay''s own: the frame of the log in which it first came';
comment on column order_events.place_log is 'Of Forebay''s own: which log, as place_log numbers it';
comment on column order_events.content is 'Object of every further field of the event';

comment on table order_awaited is 'Of Forebay''s own: orders that have events and are not here yet';

comment on table view_events is 'What one seller, or another key of a view, sees of what happened to an order. Lies on the shard of the key''s bucket';
comment on column view_events.bucket is 'forebay_key_bucket(key)';
comment on column view_events.tenant is 'As in orders';
comment on column view_events.view is 'Which view: id in view_in_force';
comment on column view_events.key is 'Whose view: a seller''s id, say';
comment on column view_events.ordered_at is 'The order''s time';
comment on column view_events.order_id is 'As in orders';
comment on column view_events.customer_id is 'As in orders';
comment on column view_events.event_id is 'As in order_events';
comment on column view_events.kind is 'As in order_events';
comment on column view_events.happened_at is 'As in order_events';
comment on column view_events.content is 'Of an event that gives the order other items, or takes some back, those that have the key';
