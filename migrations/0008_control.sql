-- Which control frames of the logged stream were taken: the last one of each kind. It is taken in the transaction that moves the
-- position over it, and only where its epoch is higher than that of the one before.
create table control_taken (
    -- `views`
    kind        text        collate "C" primary key,
    -- The epoch of the shard map that has decided it.
    epoch       int8        not null,
    -- Where it stood; sequence 0 where it was taken from the map itself, before the first frame or where frames were lost.
    incarnation int8        not null,
    stream_seq  int8        not null
);

-- The views in force: whatever is committed from now on is derived with them. `order_views` has their ids, which are never given
-- to another view.
create table view_in_force (
    id   int2 primary key,
    name text collate "C" not null unique,
    path text collate "C" not null
);

-- Rows of views that were dropped: how many of a lane were deleted here. They were stored, so the counters of the lane have them.
create table view_dropped (
    id   int2,
    lane text collate "C",
    rows int8 not null,
    primary key (id, lane)
);
