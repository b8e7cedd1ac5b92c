-- Where a lane went on although its log is not the one that it had read so far, because somebody decided so
-- (`forebay log accept-loss`). From such a row on, rows in the log and rows of `lane_tally` are counted together again.
create table log_loss (
    id                 int8        generated always as identity primary key,
    lane               text        collate "C" not null,
    -- The position that did not fit the log any more, and the one from which the lane went on.
    before_incarnation int8        not null,
    before_seq         int8        not null,
    after_incarnation  int8        not null,
    after_seq          int8        not null,
    -- What the lane had counted by then.
    rows_stored        int8        not null,
    rows_duplicate     int8        not null,
    rows_dead          int8        not null,
    rows_sent_on       int8        not null,
    rows_parked        int8        not null,
    -- What was lost, as far as it was known.
    detail             text        not null,
    accepted_at        timestamptz not null default now()
);
