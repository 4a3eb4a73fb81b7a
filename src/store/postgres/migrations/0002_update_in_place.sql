-- A flush updates the row of every conversation in it. That is cheap as long as no indexed column changes (HOT: no index is written, dead versions are pruned in
-- their page). The position of the last entry changes every time, so what is indexed is derived from it and changes rarely.
alter table conversation
  add column closed_pos bigint generated always as (case when status = 3 then last_pos else 0 end) stored,
  add column pos_slot bigint generated always as (last_pos >> 28) stored;  -- 65,536 entries of the journal

drop index conversation_closed;
drop index conversation_changed;
create index conversation_closed on conversation (tenant_id, closed_pos) where status = 3;
create index conversation_changed on conversation (tenant_id, pos_slot);

alter table conversation set (fillfactor = 50);  -- room for the next version of each row
alter table sender_state set (fillfactor = 50);
