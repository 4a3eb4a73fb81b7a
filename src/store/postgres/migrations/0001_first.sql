-- Ids are 63-bit snowflakes, times UTC nanoseconds, positions of the journal counters: all bigint. Entities have the tables and columns of the embedded store, JSON in
-- text, so that one SQL serves both. A conversation id is unique over all tenants, so the tables of its log begin their keys with it.

create table store_meta (
  key text primary key,
  value text not null
);

create table tenant (
  id bigint primary key,
  slug text not null unique,
  name text not null,
  locale text not null default 'en',
  time_zone text not null default 'UTC',
  status bigint not null default 0,            -- 0 in use, 1 disabled
  settings text not null default '{}',
  created_ns bigint not null,
  deleted_at bigint,
  row_version bigint not null default 1
);

create table tenant_counter (
  tenant_id bigint not null,
  name text not null,
  value bigint not null,
  primary key (tenant_id, name)
);

create table account (
  id bigint primary key,
  email text not null unique,
  password_hash text not null,
  locale text not null default 'en',
  time_zone text not null default 'UTC',
  totp_secret bytea,
  totp_last_step bigint,
  created_ns bigint not null,
  deleted_at bigint,
  row_version bigint not null default 1
);

create table agent (
  id bigint primary key,
  tenant_id bigint not null references tenant (id),
  account_id bigint not null references account (id),
  role bigint not null,
  display_name text not null,
  disabled bigint not null default 0,
  created_ns bigint not null,
  deleted_at bigint,
  row_version bigint not null default 1
);
create unique index agent_of_tenant on agent (tenant_id, account_id);
create index agent_of_account on agent (account_id);

create table channel (
  id bigint primary key,
  tenant_id bigint not null references tenant (id),
  kind text not null,
  name text not null,
  public_key text not null unique,
  allowed_origins text not null default '[]',
  settings text not null default '{}',
  created_ns bigint not null,
  deleted_at bigint,
  row_version bigint not null default 1
);
create index channel_of_tenant on channel (tenant_id, id);

create table console_session (
  token_hash bytea primary key,
  account_id bigint not null references account (id),
  agent_id bigint not null references agent (id),
  created_ns bigint not null,
  last_used_ns bigint not null,
  remember bigint not null default 0
);
create index console_session_of_account on console_session (account_id);

create table api_token (
  id bigint primary key,
  agent_id bigint not null references agent (id),
  name text not null,
  token_hash bytea not null unique,
  created_ns bigint not null,
  last_used_ns bigint not null default 0
);
create index api_token_of_agent on api_token (agent_id, id);

create table word_list (
  id bigint primary key,
  tenant_id bigint not null references tenant (id),
  name text not null,
  action text not null,
  words text not null,
  updated_ns bigint not null,
  deleted_at bigint,
  row_version bigint not null default 1
);
create index word_list_of_tenant on word_list (tenant_id, id);

create table visitor (
  tenant_id bigint not null,
  id bigint not null,
  name text,
  email text,
  locale text,
  time_zone text,
  meta text not null default '{}',
  token_version bigint not null default 0,
  merged_into bigint,
  blocked_at bigint,
  created_ns bigint not null,
  last_seen_ns bigint,
  deleted_at bigint,
  row_version bigint not null default 1,
  primary key (tenant_id, id)
);

create table visitor_identity (
  tenant_id bigint not null,
  channel_id bigint not null,
  external_id text not null,
  visitor_id bigint not null,
  verified bigint not null default 0,
  primary key (tenant_id, channel_id, external_id)
);

-- The state of a conversation after its archived entries: written in the transaction that archives them. archived_seq is the fence of that transaction (compare and
-- set). Neither the number nor "one open conversation of a visitor" is unique here: the journal guarantees both, and a flush must not fail on the order of its rows.
create table conversation (
  id bigint primary key,
  tenant_id bigint not null,
  channel_id bigint not null,
  visitor_id bigint not null,
  number bigint not null,
  epoch text not null,
  status bigint not null,                      -- 0 new, 1 waiting, 2 active, 3 closed
  claim bigint not null default 0,
  assignee bigint not null default 0,
  head bigint not null default 0,
  public_head bigint not null default 0,
  last_pos bigint not null default 0,
  applied_pos bigint not null default 0,       -- entries up to this position are in this row
  created_ns bigint not null,
  last_ts_ns bigint not null default 0,
  last_text_seq bigint not null default 0,
  last_from bigint not null default 0,
  preview text not null default '',
  waiting_since bigint not null default 0,
  first_response_at bigint not null default 0,
  closed_ns bigint not null default 0,
  closed_by_kind bigint not null default 0,
  closed_by_id bigint not null default 0,
  closed_reason text not null default '',
  first_seq bigint not null default 1,
  archived_seq bigint not null default 0,
  team_id bigint,
  priority bigint not null default 0,
  language text,
  snoozed_until bigint,
  merged_into bigint,
  context jsonb not null default '{}'
);
create index conversation_number on conversation (tenant_id, number);
create index conversation_of_visitor on conversation (channel_id, visitor_id);
create index conversation_open on conversation (tenant_id, id) where status <> 3;
create index conversation_closed on conversation (tenant_id, last_pos) where status = 3;
create index conversation_changed on conversation (tenant_id, last_pos);

-- Entries, folded: an edited one has its present text, a recalled one none. One partition per month of ts_ns (ensure_month). A unique (conv, seq) cannot reach over
-- partitions; archived_seq keeps it. Remembered answers without a seq (voids, refusals) stand in sender_state only.
create table message (
  pos bigint not null,                         -- journal position: counter * 4096 + place in its batch
  tenant_id bigint not null,
  conv bigint not null,
  seq bigint not null,
  id bigint not null,
  ts_ns bigint not null,
  channel_id bigint not null,
  principal_id bigint not null,
  n bigint not null,
  hash bigint not null,
  skip bigint not null,                        -- public: internal entries right before it
  rev bigint not null,                         -- seq of the last entry that changed this one
  claim bigint not null,                       -- after it
  assignee bigint,                             -- after it, if it changed the conversation
  erased_at bigint,
  key_id bigint not null default 0,            -- 0: not encrypted
  flags integer not null,                      -- src/store/message_facts.hpp
  audience smallint not null,
  kind smallint not null,
  principal_kind smallint not null,
  status smallint,                             -- after it, if it changed the conversation
  codec smallint not null default 0,           -- of `sealed`
  dev bytea not null,
  body jsonb,                                  -- null: recalled, erased, or sealed
  sealed bytea,
  meta jsonb
) partition by range (ts_ns);
create index message_conv_seq on message (conv, seq);
create index message_pos on message (pos);     -- the search reader goes along it
create table message_default partition of message default;

-- What an edit, a recall or an erasure took away.
create table message_original (
  conv bigint not null,
  seq bigint not null,
  replaced_by bigint not null,                 -- seq of the entry that did it
  tenant_id bigint not null,
  replaced_ns bigint not null,
  key_id bigint not null default 0,
  codec smallint not null default 0,
  body jsonb,
  sealed bytea,
  primary key (conv, seq, replaced_by)
);

-- The last answers of each sender instance, 41 bytes per answer, oldest first (src/store/sender_results.hpp). There are rows without a conversation: a visitor's first
-- message may be refused.
create table sender_state (
  conv bigint not null,
  principal_kind bigint not null,
  principal_id bigint not null,
  dev bytea not null,
  tenant_id bigint not null,
  last_used_ns bigint not null,
  results bytea not null,
  primary key (conv, principal_kind, principal_id, dev)
);

create table external_ref (
  tenant_id bigint not null,
  channel_id bigint not null,
  ext_id text not null,
  conv bigint not null,
  seq bigint not null,
  hash bigint not null,
  created_ns bigint not null,
  primary key (tenant_id, channel_id, ext_id)
);

create table receipt (
  conv bigint not null,
  principal_kind bigint not null,
  principal_id bigint not null,
  tenant_id bigint not null,                   -- 0: written before its conversation was archived
  rcv_seq bigint not null,
  read_seq bigint not null,
  primary key (conv, principal_kind, principal_id)
);

create table participant (
  conv bigint not null,
  principal_kind bigint not null,
  principal_id bigint not null,
  tenant_id bigint not null,
  joined_seq bigint not null,
  left_seq bigint,
  primary key (conv, principal_kind, principal_id, joined_seq)
);

create table attachment (
  tenant_id bigint not null,
  id bigint not null,
  conv bigint,
  seq bigint,
  uploader_kind bigint not null,
  uploader_id bigint not null,
  name text not null,
  mime text not null,
  bytes bigint not null,
  sha256 bytea,
  width bigint,
  height bigint,
  duration_ms bigint,
  state bigint not null default 0,
  created_ns bigint not null,
  deleted_at bigint,
  primary key (tenant_id, id)
);

-- How far each shard of the journal is archived: moved by compare and set in the transaction that archives, so that only one flusher can.
create table flush_progress (
  shard bigint primary key,
  incarnation bigint not null,
  counter bigint not null,
  owner text not null,
  updated_ns bigint not null
);

create table search_progress (
  shard bigint primary key,
  incarnation bigint not null,
  counter bigint not null,
  updated_ns bigint not null
);

-- The search index; the tokens are hashed bigrams.
create table message_search (
  tenant_id bigint not null,
  conv bigint not null,
  seq bigint not null,
  pos bigint not null,
  ts_ns bigint not null,
  tokens integer[] not null
) partition by range (ts_ns);
create index message_search_tokens on message_search using gin (tokens);
create index message_search_conv_seq on message_search (conv, seq);
create index message_search_newest on message_search (tenant_id, pos);  -- for pairs that stand in many texts
create table message_search_default partition of message_search default;

-- Items of the journal that could not be archived, as they stood there.
create table dead_letter (
  id bigint generated always as identity primary key,
  shard bigint not null,
  counter bigint not null,
  idx bigint not null,                         -- place in the batch
  conv bigint not null,
  seq bigint not null,                         -- 0: none
  reason text not null,
  item bytea not null,                         -- Pack v1 with one item, or what stood there instead
  created_ns bigint not null,
  state bigint not null default 0              -- 0 waiting, 1 put back, 2 given up
);
create unique index dead_letter_place on dead_letter (shard, counter, idx);
create index dead_letter_of_conversation on dead_letter (conv, seq);

-- Makes the partitions of the month (UTC) of a time if they are missing. False: the time is absurd (before 2024, or more than a year ahead), its rows go to the default
-- partitions. Rows that went there before the partitions were made are moved. Call it in a transaction of its own: attaching waits for readers of the default partition,
-- and readers then wait for the commit.
create function ensure_month(at_ns bigint) returns boolean language plpgsql as $$
declare
  month timestamp;
  low bigint;
  high bigint;
  parent text;
  part text;
begin
  if at_ns < 1704067200000000000 or at_ns > (extract(epoch from now())::bigint + 366 * 86400) * 1000000000 then
    return false;
  end if;
  month := date_trunc('month', to_timestamp(at_ns / 1000000000) at time zone 'UTC');
  low := extract(epoch from month at time zone 'UTC')::bigint * 1000000000;
  high := extract(epoch from (month + interval '1 month') at time zone 'UTC')::bigint * 1000000000;
  foreach parent in array array['message', 'message_search'] loop
    part := parent || to_char(month, '"_y"YYYY"m"MM');
    continue when to_regclass(part) is not null;
    -- Lets everybody read and write, but one at a time make partitions. (An advisory lock would not show what another one has just made.)
    execute format('lock table %I in share update exclusive mode', parent);
    continue when to_regclass(part) is not null;
    execute format('create table %I (like %I including all)', part, parent);
    execute format('with moved as (delete from %I where ts_ns >= %s and ts_ns < %s returning *) insert into %I select * from moved', parent || '_default', low, high, part);
    execute format('alter table %I attach partition %I for values from (%s) to (%s)', parent, part, low, high);
  end loop;
  return true;
end
$$;

insert into store_meta (key, value) values ('store_id', gen_random_uuid()::text), ('incarnation', '1'), ('snowflake_ms', '0');
select ensure_month(extract(epoch from now())::bigint * 1000000000), ensure_month(extract(epoch from now() + interval '1 month')::bigint * 1000000000);
