-- How far each stream of this shard has been read. The row moves in the transaction of the facts, by compare-and-swap on
-- (incarnation, stream_seq).
create table stream_position (
    -- `logged` or `derived`
    stream         text        collate "C" primary key,
    -- The stream's creation time in microseconds since 1970: a stream made anew is another one.
    incarnation    int8        not null,
    -- The last frame that is committed; 0 is before every frame.
    stream_seq     int8        not null,
    -- That frame's id, to notice a log that lost its tail and went on with other frames. Empty at sequence 0.
    frame_id       text        collate "C" not null,
    committed_at   timestamptz not null,
    -- The shard map's epoch that the last frame was made under.
    epoch          int8        not null
);

-- What became of the rows of each lane. It moves with the position of the lane's stream. Always:
-- rows in the log up to the position = rows_stored + rows_duplicate + rows_dead + rows_sent_on + rows_parked.
create table lane_tally (
    lane           text        collate "C" primary key,
    stream         text        collate "C" not null,
    rows_stored    int8        not null default 0,
    rows_duplicate int8        not null default 0,
    rows_dead      int8        not null default 0,
    -- Decided by another shard, whose log has them.
    rows_sent_on   int8        not null default 0,
    -- In `parked` now.
    rows_parked    int8        not null default 0,
    -- Not of the log's rows: copies that a move has brought, and rows that are deleted because they are nobody's any more. In the table are
    -- rows_stored + rows_copied - rows_cleaned, but for what was dropped with a view.
    rows_copied    int8        not null default 0,
    rows_cleaned   int8        not null default 0
);

-- What became of the rows of requests to ingest, beside what is stored: a request that has neither duplicates nor dead rows has no
-- row here. Moves with the position, and is forgotten after a month.
create table request_fate (
    -- The request's number, or that of one piece of it: they stand in the order of their arrival.
    request        bytea       primary key,
    rows_duplicate int8        not null,
    -- Those that are dead now: one that was requeued has its new fate instead.
    rows_dead      int8        not null
);

-- For each shard that facts of this one's orders go to: up to where they are derived, and which frame of its derived stream was
-- the last of them. Both move together, by compare-and-swap, and never past the position of the logged stream.
create table derived_through (
    target             int2        primary key,
    -- Everything that follows from what was logged up to here is acknowledged by the target's derived stream. It lies in an earlier
    -- making of the logged stream, where that is as far as it goes; 0 and 0 is before everything.
    incarnation        int8        not null,
    stream_seq         int8        not null,
    -- The last frame that was published there; sequence 0 before the first. By its id it is seen later that the target's
    -- stream is still the one that took it.
    target_incarnation int8        not null,
    target_seq         int8        not null,
    target_frame_id    text        collate "C" not null
);
