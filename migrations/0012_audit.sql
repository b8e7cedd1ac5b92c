-- What operators have done: which of them, when, from where, what, and how it ended. What concerns one shard is recorded there; what concerns the
-- system, in every shard, as one act. A row is never changed nor deleted, by nobody.
create table audit (
    id         int8        generated always as identity primary key,
    -- The act: the same in its rows, of every shard.
    act        uuid        not null,
    at         timestamptz not null default clock_timestamp(),
    -- `begun` before anything is done; then `done` or `failed`. An act that has only begun was cut off, or is still going on.
    stage      text        collate "C" not null check (stage in ('begun', 'done', 'failed')),
    -- Such as `dead purge`.
    command    text        collate "C" not null,
    -- What was asked for, and in the end what was done: a JSON object.
    detail     jsonb       not null,
    -- By the operating system where the command ran: who, and on which machine.
    by_user    text        not null,
    by_host    text        not null,
    -- By the database: what nobody can say of themselves.
    db_user    text        not null default session_user,
    db_address inet        default inet_client_addr()
);

create index audit_by_time on audit (at, id);

create function forebay_audit_kept() returns trigger language plpgsql as $$
begin
    raise exception 'the record of what operators have done is only ever added to' using errcode = 'insufficient_privilege';
end
$$;

-- Also where triggers of replicas alone fire.
create trigger audit_kept before update or delete or truncate on audit for each statement execute function forebay_audit_kept();
alter table audit enable always trigger audit_kept;

-- A line in the log of the database for each, which who writes the table does not write.
create function forebay_audit_told() returns trigger language plpgsql as $$
begin
    raise log 'forebay audit: % % by % on % (act %): %', new.command, new.stage, new.by_user, new.by_host, new.act, new.detail;
    return null;
end
$$;

create trigger audit_told after insert on audit for each row execute function forebay_audit_told();
alter table audit enable always trigger audit_told;

comment on table audit is 'What operators have done. Rows are only ever added';
comment on column audit.id is 'In the order in which they were written here';
comment on column audit.act is 'Which act: the same in all of its rows, of every shard';
comment on column audit.at is 'When, by this database''s clock';
comment on column audit.stage is 'begun, then done or failed';
comment on column audit.command is 'Which command of forebay';
comment on column audit.detail is 'What was asked for; in the end what was done, or why it was not';
comment on column audit.by_user is 'Who, by the operating system where the command ran';
comment on column audit.by_host is 'On which machine, and from which other one where that is known';
comment on column audit.db_user is 'Who, by the database';
comment on column audit.db_address is 'From where, by the database; empty over a socket';
