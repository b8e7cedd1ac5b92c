-- The sums of views' keys are kept by the day: most keys have few orders in an hour, and each row of sums costs as much as a row of the view.
create temporary table by_day on commit drop as
    select bucket, tenant, view, key, date_trunc('day', hour, 'UTC') as day, kind, currency, sum(orders)::int8 as orders, sum(total) as total
    from view_sums group by 1, 2, 3, 4, 5, 6, 7;

truncate view_sums;
alter table view_sums rename column hour to day;
insert into view_sums select * from by_day;

create or replace procedure forebay_sum_anew()
    language sql
    as $$
        truncate order_sums, view_sums;
        insert into order_sums
            select tenant, date_trunc('hour', ordered_at, 'UTC'), kind, currency, count(*), sum(coalesce(amended, total))
            from orders group by 1, 2, 3, 4;
        insert into view_sums
            select bucket, tenant, view, key, date_trunc('day', ordered_at, 'UTC'), kind, currency, count(*), sum(coalesce(amended, subtotal))
            from order_views where coalesce(has_items, items <> '[]') group by 1, 2, 3, 4, 5, 6, 7;
    $$;

comment on table view_sums is 'What the orders of each day (UTC) come to for each key of a view. Lies on the shard of the key''s bucket';
comment on column view_sums.day is 'When it begins';
