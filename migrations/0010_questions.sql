-- SQL is an interface: see docs/SQL.md. Functions and views for the questions that people ask, and what each table and column means.

-- The bucket of a key: its MD5, or that of tenant, U+001F and key where there is a tenant, as an integer modulo 4096.
create function forebay_key_bucket(key text, tenant text default '') returns int2
    language sql immutable parallel safe
    return ('x' || right(md5(case tenant when '' then key else tenant || chr(31) || key end), 3))::bit(12)::int4::int2;

-- The bucket of a customer, as this system routes: with `modulo`, that of an integer is the integer modulo 4096.
create function forebay_bucket(customer_id text, tenant text default '') returns int2
    language sql stable parallel safe
    return case
        when tenant = '' and customer_id ~ '^(0|-?[1-9][0-9]{0,18})$'
            and customer_id::numeric between -9223372036854775808 and 9223372036854775807
            and exists (select from shard_identity where routing = 'modulo')
        then mod(mod(customer_id::numeric, 4096) + 4096, 4096)::int2
        else forebay_key_bucket(customer_id, tenant)
    end;

-- A customer's orders, by the primary key.
create function forebay_orders_of(customer text, tenant text default '') returns setof orders
    language sql stable parallel safe
    as $$
        select * from orders
        where bucket = forebay_bucket(customer, forebay_orders_of.tenant)
            and orders.tenant = forebay_orders_of.tenant and customer_id = customer
    $$;

-- A row for each item.
create view order_items as
select bucket, tenant, customer_id, ordered_at, order_id, kind, currency, number,
    item ->> 'sku' as sku,
    (item ->> 'quantity')::int8 as quantity,
    (item ->> 'price')::int8 as price,
    (item ->> 'quantity')::int8 * (item ->> 'price')::int8 as amount,
    item
from orders, jsonb_array_elements(items) with ordinality as each (item, number);

-- What orders of a day (UTC) come to, as they are now.
create view revenue_by_day as
select (ordered_at at time zone 'UTC')::date as day, currency, count(*) as orders,
    coalesce(sum(coalesce(amended, total)) filter (where kind = 'sale'), 0) as gross,
    coalesce(-sum(coalesce(amended, total)) filter (where kind = 'return'), 0) as returned,
    sum(coalesce(amended, total)) as net
from orders
group by 1, 2;

-- Makes the sums of this shard anew, of the orders that there are. For an operator who has changed rows, while the shard's writer is stopped.
create procedure forebay_sum_anew()
    language sql
    as $$
        truncate order_sums, view_sums;
        insert into order_sums
            select tenant, date_trunc('hour', ordered_at, 'UTC'), kind, currency, count(*), sum(coalesce(amended, total))
            from orders group by 1, 2, 3, 4;
        insert into view_sums
            select bucket, tenant, view, key, date_trunc('hour', ordered_at, 'UTC'), kind, currency, count(*), sum(coalesce(amended, subtotal))
            from order_views where coalesce(has_items, items <> '[]') group by 1, 2, 3, 4, 5, 6, 7;
    $$;

comment on procedure forebay_sum_anew is 'Makes order_sums and view_sums of this shard anew, while its writer is stopped';
comment on function forebay_key_bucket is 'The bucket of a key: of an order id for order_index, of a view''s key for order_views';
comment on function forebay_bucket is 'The bucket of a customer: with it, where customer_id = … uses the primary key of orders';
comment on function forebay_orders_of is 'A customer''s orders of this shard, by the primary key';
comment on view order_items is 'A row for each item of each order';
comment on view revenue_by_day is 'What the sales and the returns of a day (UTC) come to, in minor units of each currency';

comment on table orders is 'Orders, as their clients sent them; a row never changes, but for status and amended. Partitioned by ordered_at';
comment on column orders.bucket is 'The customer''s bucket: forebay_bucket(customer_id). The primary key begins with it';
comment on column orders.tenant is 'Whose orders they are; empty where tenants are not used';
comment on column orders.customer_id is 'Who ordered';
comment on column orders.ordered_at is 'When: timestamp of the interface';
comment on column orders.order_id is 'Unique for its customer';
comment on column orders.kind is 'sale, or return: a credit note, with negative quantities and a total that is not positive';
comment on column orders.currency is 'What prices and total are in: three letters of ISO 4217';
comment on column orders.total is 'Sum of quantity × price of the items, in minor units of the currency';
comment on column orders.place_seq is 'Of Forebay''s own: the frame of the log in which it first came';
comment on column orders.place_log is 'Of Forebay''s own: which log, as place_log numbers it';
comment on column orders.status is 'What has become of it by its events: 0 placed, 1 confirmed, 2 packed, 3 shipped, 4 delivered, 5 cancelled, 6 returned';
comment on column orders.items is 'Array of objects with sku, quantity, price and whatever else was sent; see order_items';
comment on column orders.amended is 'What its items come to now, where they were amended: coalesce(amended, total)';
comment on column orders.attributes is 'Object of every further field of the order';

comment on table order_sums is 'What the orders of each hour (UTC) come to: the quick way to totals over a long time';
comment on table view_sums is 'What the orders of each hour (UTC) come to for each key of a view. Lies on the shard of the key''s bucket';
comment on column view_sums.bucket is 'forebay_key_bucket(key)';
comment on column view_sums.tenant is 'As in orders';
comment on column view_sums.view is 'Which view: id in view_in_force';
comment on column view_sums.key is 'Whose view: a seller''s id, say';
comment on column view_sums.hour is 'When it begins';
comment on column view_sums.kind is 'As in orders';
comment on column view_sums.currency is 'As in orders';
comment on column view_sums.orders is 'How many there are of which the key has items';
comment on column view_sums.total is 'Sum of their subtotals as they are now, in minor units of the currency';

comment on column order_sums.tenant is 'As in orders';
comment on column order_sums.hour is 'When it begins';
comment on column order_sums.kind is 'As in orders';
comment on column order_sums.currency is 'As in orders';
comment on column order_sums.orders is 'How many there are';
comment on column order_sums.total is 'Sum of their totals as they are now, in minor units of the currency';

comment on table order_time is 'The time of every order whose id does not tell it, so that an id does not come twice';
comment on column order_time.bucket is 'The customer''s bucket';
comment on column order_time.tenant is 'As in orders';
comment on column order_time.order_id is 'As in orders';
comment on column order_time.customer_id is 'As in orders';
comment on column order_time.ordered_at is 'As in orders';

comment on table order_index is 'Where an order is, by its id alone: customer and time. Lies on the shard of the order id''s bucket';
comment on column order_index.bucket is 'forebay_key_bucket(order_id)';
comment on column order_index.tenant is 'As in orders';
comment on column order_index.order_id is 'As in orders; customers may have the same';
comment on column order_index.customer_id is 'As in orders';
comment on column order_index.ordered_at is 'As in orders';

comment on table order_views is 'An order as one seller, or another key of a view, sees it. Lies on the shard of the key''s bucket; partitioned by ordered_at';
comment on column order_views.bucket is 'forebay_key_bucket(key)';
comment on column order_views.tenant is 'As in orders';
comment on column order_views.view is 'Which view: id in view_in_force';
comment on column order_views.key is 'Whose view: a seller''s id, say';
comment on column order_views.ordered_at is 'As in orders';
comment on column order_views.order_id is 'As in orders';
comment on column order_views.customer_id is 'As in orders';
comment on column order_views.kind is 'As in orders';
comment on column order_views.currency is 'As in orders';
comment on column order_views.subtotal is 'Sum of quantity × price of these items, in minor units of the currency';
comment on column order_views.status is 'As in orders, by what the key sees';
comment on column order_views.items is 'The items that have the key; none where it has come in by an amendment';
comment on column order_views.amended is 'What its items come to now, where they were amended: coalesce(amended, subtotal)';
comment on column order_views.has_items is 'Whether it has any now, where they were amended';

comment on table view_in_force is 'The views that new orders are derived with';
comment on column view_in_force.id is 'Never given to another view';
comment on column view_in_force.name is 'Its name: seller, say';
comment on column view_in_force.path is 'The field that makes it: items[].seller_id, say';

comment on table dead_letter is 'What was accepted and could not be stored, with the reason';
comment on column dead_letter.id is 'Its number: a letter is named by shard and number';
comment on column dead_letter.lane is 'What it is: orders, index or views';
comment on column dead_letter.incarnation is 'Where it stood in the log: which making of the stream';
comment on column dead_letter.stream_seq is 'Where it stood in the log: which frame';
comment on column dead_letter.row_in_frame is 'Where it stood in the log: which row of the frame, from 0';
comment on column dead_letter.rows is 'How many rows of the log it stands for';
comment on column dead_letter.reason is 'conflict, refused, out_of_range, bad_tuple, torn_tuple, row_count or bad_frame';
comment on column dead_letter.sqlstate is 'What Postgres said, where it refused';
comment on column dead_letter.detail is 'What exactly was wrong, for a person';
comment on column dead_letter.tenant is 'As in orders, where it can be read';
comment on column dead_letter.customer_id is 'As in orders, where it can be read';
comment on column dead_letter.order_id is 'As in orders, where it can be read';
comment on column dead_letter.ordered_at is 'As in orders, where it can be read';
comment on column dead_letter.tuple is 'Its bytes, as they stood in the log';
comment on column dead_letter.content is 'The fact by column, as far as it can be read';
comment on column dead_letter.stored is 'Of a conflict: the fact that was stored first';
comment on column dead_letter.epoch is 'Under which shard map it was logged';
comment on column dead_letter.enqueued_at is 'When it was logged';
comment on column dead_letter.died_at is 'When it could not be stored';
comment on column dead_letter.requeued_at is 'When it was put into the log again';
comment on column dead_letter.request is 'Of Forebay''s own: the request that brought it';

comment on table shard_identity is 'Whose database this is';
comment on column shard_identity.system is 'The system, as its shard map has it';
comment on column shard_identity.shard is 'The shard''s number';
comment on column shard_identity.routing is 'How customers become buckets: md5 or modulo';
comment on column shard_identity.taken_at is 'When it was first taken in';
comment on column shard_identity.is_only is 'Always true: there is one row';

comment on table place_log is 'Of Forebay''s own: the logs that rows were first stored from';
comment on table stream_position is 'Of Forebay''s own: how far each stream of this shard is committed';
comment on table lane_tally is 'What became of the rows of each lane, since the shard was made';
comment on column lane_tally.lane is 'Which';
comment on column lane_tally.stream is 'By which stream it comes';
comment on column lane_tally.rows_stored is 'Rows that were stored';
comment on column lane_tally.rows_duplicate is 'Rows that were there already';
comment on column lane_tally.rows_dead is 'Rows that became dead letters';
comment on column lane_tally.rows_sent_on is 'Rows that another shard decides, in whose log they are';
comment on column lane_tally.rows_parked is 'Rows that wait, in parked';
comment on column lane_tally.rows_copied is 'Rows that moves have brought: another shard had stored them';
comment on column lane_tally.rows_cleaned is 'Rows that were deleted, because their bucket has moved';
comment on table request_fate is 'Of Forebay''s own: what became of requests, beside what is stored';
comment on table derived_through is 'Of Forebay''s own: how far what follows from orders is derived for each shard';
comment on table log_loss is 'Where somebody accepted that the log has lost something';
comment on table backfill is 'Of Forebay''s own: how far views are filled in';
comment on table control_taken is 'Of Forebay''s own: which control frames were taken';
comment on table view_dropped is 'Of Forebay''s own: views that were dropped';
