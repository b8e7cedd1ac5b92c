-- How far each lane of this shard has been read from its log, and what became of the rows. The row moves in the
-- transaction of the facts, by compare-and-swap on (incarnation, stream_seq). Always:
-- rows in the log up to the position = rows_stored + rows_duplicate + rows_dead.
create table lane_position (
    lane           text        collate "C" primary key,
    -- The stream's creation time in microseconds since 1970: a stream made anew is another one.
    incarnation    int8        not null,
    -- The last frame that is committed; 0 is before every frame.
    stream_seq     int8        not null,
    -- That frame's id, to notice a log that lost its tail and went on with other frames. Empty at sequence 0.
    frame_id       text        collate "C" not null,
    rows_stored    int8        not null default 0,
    rows_duplicate int8        not null default 0,
    rows_dead      int8        not null default 0,
    committed_at   timestamptz not null,
    -- The shard map's epoch that the last frame was made under.
    epoch          int8        not null
);
