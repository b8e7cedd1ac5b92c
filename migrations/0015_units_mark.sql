-- What reads see beside the position: 0 as long as every row up to there was decided here. From the first control frame that says whose a unit is, and the
-- first row that is sent on or parked, it is another number, and yet another behind each further frame that changes what is said of units. The numbers are
-- drawn: a shard that was set back, and hears other things than the first time, does not come to the same ones.
alter table stream_position add column units int8 not null default 0;

update stream_position p set units = 1 + (random() * 9e15)::int8
where exists (select from unit_owner u where u.stream = p.stream) or exists (select from parked w where w.stream = p.stream);
