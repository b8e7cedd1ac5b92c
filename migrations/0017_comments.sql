-- What the columns mean of the views, and of the record of losses that were accepted.
comment on column order_items.bucket is 'As in orders';
comment on column order_items.tenant is 'As in orders';
comment on column order_items.customer_id is 'As in orders';
comment on column order_items.ordered_at is 'As in orders';
comment on column order_items.order_id is 'As in orders';
comment on column order_items.kind is 'As in orders';
comment on column order_items.currency is 'As in orders';
comment on column order_items.number is 'The item''s place in its order, from 1';
comment on column order_items.sku is 'What was ordered';
comment on column order_items.quantity is 'How many of it; negative in a return';
comment on column order_items.price is 'Of one, in minor units of the currency';
comment on column order_items.amount is 'quantity × price, in minor units of the currency';
comment on column order_items.item is 'The whole item, further fields included';

comment on column revenue_by_day.day is 'In UTC, of the orders'' own time';
comment on column revenue_by_day.currency is 'As in orders';
comment on column revenue_by_day.orders is 'How many, returns included';
comment on column revenue_by_day.gross is 'What sales come to, in minor units of the currency';
comment on column revenue_by_day.returned is 'What returns come to, as a positive number';
comment on column revenue_by_day.net is 'gross - returned';

comment on column buckets_elsewhere.stream is 'logged or derived';
comment on column buckets_elsewhere.bucket is 'As in the tables of that stream';

comment on column log_loss.id is 'In the order in which they were accepted';
comment on column log_loss.lane is 'The stream, by the name that it had then';
comment on column log_loss.before_incarnation is 'Where the log was stored to: the making of the stream';
comment on column log_loss.before_seq is 'Where the log was stored to: the frame';
comment on column log_loss.after_incarnation is 'From where it went on: the making of the stream';
comment on column log_loss.after_seq is 'From where it went on: the frame';
comment on column log_loss.rows_stored is 'What had been stored by then';
comment on column log_loss.rows_duplicate is 'How many rows had been duplicates by then';
comment on column log_loss.rows_dead is 'How many rows had become dead letters by then';
comment on column log_loss.rows_sent_on is 'How many rows had been sent on to other shards by then';
comment on column log_loss.rows_parked is 'How many rows were waiting then for their bucket';
comment on column log_loss.detail is 'What was lost, as far as it was known';
comment on column log_loss.accepted_at is 'When an operator accepted it';
