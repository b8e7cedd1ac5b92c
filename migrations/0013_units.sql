-- What this shard says of units: buckets, of the facts of one kind of streams. Of one that has no row nothing was ever said here: then it is what the
-- system began with, which every shard map says. A row changes only with the position: by a control frame, or by rows that were sent on.
create table unit_owner (
    stream  text  collate "C" not null,
    bucket  int2  not null,
    -- Of what is said.
    version int2  not null,
    said    jsonb not null,
    primary key (stream, bucket)
);

-- Rows of the log that are neither decided here nor sent on yet: their unit is about to be this shard's, or the log that they go to does not take them.
create table parked (
    stream       text        collate "C" not null,
    bucket       int2        not null,
    -- Where it stood in the log: frame, and row within the frame (from 0).
    stream_seq   int8        not null,
    row_in_frame int4        not null,
    lane         text        collate "C" not null,
    epoch        int8        not null,
    enqueued_at  timestamptz,
    -- The request that it is counted for.
    request      bytea,
    -- The bytes as they stood in the log: a COPY tuple.
    tuple        bytea       not null,
    primary key (stream, bucket, stream_seq, row_in_frame)
);

comment on table unit_owner is 'Of Forebay''s own: what this shard is to buckets that have moved, or move';
comment on table parked is 'Of Forebay''s own: rows that wait to be decided here, or to be sent to another shard';
