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
