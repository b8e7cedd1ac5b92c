-- The time of every order whose id does not tell it. `orders` is partitioned by time, so its key has the time in it, and a
-- customer's second order with the same id at another time would fit beside the first. Here it does not: the first stays, and
-- the other is a conflict. Ids that Forebay assigns tell their order's time, so their orders have no row.
create table order_time (
    order_id    text        collate "C" not null,
    customer_id text        collate "C" not null,
    ordered_at  timestamptz not null,
    primary key (order_id, customer_id)
);

-- Of the orders that are here already. Where a customer has used an id at several times, all of them are stored and stay so;
-- what comes at yet another time will conflict with the earliest.
insert into order_time (order_id, customer_id, ordered_at)
select order_id, customer_id, min(ordered_at)
from orders
-- An assigned id: a UUIDv7 whose time is the order's and whose bits `rand_a` are the bucket.
where not case when order_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' then
    ('x' || substr(order_id, 16, 3))::bit(12)::int4 = bucket
    and ('x' || substr(order_id, 1, 8) || substr(order_id, 10, 4))::bit(48)::int8
        = floor(extract(epoch from ordered_at) * 1000)
else false end
group by order_id, customer_id;
