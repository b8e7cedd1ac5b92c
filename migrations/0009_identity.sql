-- Whose database this is: written once, when it is first taken in, and asked by every process on every new connection, so that nothing is
-- answered from, or written to, another shard's tables.
create table shard_identity (
    -- Of the system, as its map has it: 16 hexadecimal digits.
    system   text        collate "C" not null,
    -- The shard's number.
    shard    int2        not null,
    -- How customers become buckets in this system: `md5` or `modulo`. Fixed when the system was made.
    routing  text        collate "C" not null check (routing in ('md5', 'modulo')),
    taken_at timestamptz not null default now(),
    -- At most one row.
    is_only  bool        primary key default true check (is_only)
);
