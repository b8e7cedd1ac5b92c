-- A bucket follows from what stands behind it in a key, be that a customer or the key of a view. The planner takes both for unrelated, and so every customer and every key for one of a row or
-- none: a walk along the whole history of one with a million orders seemed to it as cheap as one along the few of a status. That it knows of one bucket only leaves it the customers and keys
-- themselves to go by. Partitions that come later take this over. It counts from the next analyze on, and where nothing changes any more there would be none.
do $$
declare
    stored regclass;
begin
    for stored in
        select unnest(array['orders', 'order_views']::regclass[])
        union all
        select inhrelid::regclass from pg_inherits where inhparent in ('orders'::regclass, 'order_views'::regclass)
    loop
        execute format('alter table %s alter column bucket set (n_distinct = 1)', stored);
    end loop;
    for stored in
        select inhrelid::regclass from pg_inherits where inhparent in ('orders'::regclass, 'order_views'::regclass)
    loop
        execute format('analyze %s', stored);
    end loop;
end $$;

-- Buckets whose rows on this shard are not, or no longer, its own: they are on their way here, or are kept for a while behind a move. Whoever counts rows by SQL
-- leaves these out, so that over all shards each is counted once.
create view buckets_elsewhere as
select stream, bucket from unit_owner where said -> 'state' ?| array['receiving', 'awaiting', 'released', 'cleaned'];

create or replace view order_items as
select bucket, tenant, customer_id, ordered_at, order_id, kind, currency, number,
    item ->> 'sku' as sku,
    (item ->> 'quantity')::int8 as quantity,
    (item ->> 'price')::int8 as price,
    (item ->> 'quantity')::int8 * (item ->> 'price')::int8 as amount,
    item
from orders, jsonb_array_elements(items) with ordinality as each (item, number)
where not exists (select from buckets_elsewhere e where e.stream = 'logged' and e.bucket = orders.bucket);

create or replace view revenue_by_day as
select (ordered_at at time zone 'UTC')::date as day, currency, count(*) as orders,
    coalesce(sum(coalesce(amended, total)) filter (where kind = 'sale'), 0) as gross,
    coalesce(-sum(coalesce(amended, total)) filter (where kind = 'return'), 0) as returned,
    sum(coalesce(amended, total)) as net
from orders
where not exists (select from buckets_elsewhere e where e.stream = 'logged' and e.bucket = orders.bucket)
group by 1, 2;

create or replace function forebay_orders_of(customer text, tenant text default '') returns setof orders
    language sql stable parallel safe
    as $$
        select * from orders
        where bucket = forebay_bucket(customer, forebay_orders_of.tenant)
            and orders.tenant = forebay_orders_of.tenant and customer_id = customer
            and not exists (select from buckets_elsewhere e where e.stream = 'logged' and e.bucket = orders.bucket)
    $$;

create or replace procedure forebay_sum_anew()
    language sql
    as $$
        truncate order_sums, view_sums;
        insert into order_sums
            select tenant, date_trunc('hour', ordered_at, 'UTC'), kind, currency, count(*), sum(coalesce(amended, total))
            from orders
            where not exists (select from buckets_elsewhere e where e.stream = 'logged' and e.bucket = orders.bucket)
            group by 1, 2, 3, 4;
        insert into view_sums
            select bucket, tenant, view, key, date_trunc('day', ordered_at, 'UTC'), kind, currency, count(*), sum(coalesce(amended, subtotal))
            from order_views where coalesce(has_items, items <> '[]') group by 1, 2, 3, 4, 5, 6, 7;
    $$;

comment on view buckets_elsewhere is 'Buckets of which this shard has rows that are not, or no longer, its own. Of stream logged: orders and their events; derived: order_index, order_views and their events';
