-- What could not be stored, with the reason. Written in the transaction that moves the position past it.
create table dead_letter (
    id           int8        generated always as identity primary key,
    lane         text        collate "C" not null,
    -- Where it stood in the log: stream, frame, and row within the frame (from 0).
    incarnation  int8        not null,
    stream_seq   int8        not null,
    row_in_frame int4        not null,
    -- How many rows of the log this letter stands for. 1 for a row; what a frame declared, for a frame that is not readable.
    rows         int4        not null,
    -- `conflict`, `refused`, `out_of_range`, `bad_tuple`, `torn_tuple`, `row_count`, `bad_frame`
    reason       text        collate "C" not null,
    sqlstate     text        collate "C",
    -- What exactly was wrong, for a person.
    detail       text        not null,
    -- The fact's own fields, as far as they can be read.
    tenant       text        collate "C",
    customer_id  text        collate "C",
    order_id     text        collate "C",
    ordered_at   timestamptz,
    -- The bytes as they stood in the log: a COPY tuple, or the rest of a frame from where it is not readable.
    tuple        bytea       not null,
    -- The fact by column, as far as it can be read. A jsonb that Postgres refuses stands here as a string.
    content      jsonb,
    -- For a conflict: the fact that was stored first.
    stored       jsonb,
    epoch        int8        not null,
    enqueued_at  timestamptz,
    died_at      timestamptz not null default now(),
    requeued_at  timestamptz,
    -- The request that brought the row, until the row was requeued and has had another fate. Null for a letter of several rows.
    request      bytea,
    unique (lane, incarnation, stream_seq, row_in_frame)
);

create index dead_letter_by_time on dead_letter (died_at, id);
-- What is dead of a request.
create index dead_letter_by_request on dead_letter (request, id) where request is not null;
-- Whether a fact that is missing somewhere lies here.
create index dead_letter_by_order on dead_letter (tenant, order_id, customer_id);
