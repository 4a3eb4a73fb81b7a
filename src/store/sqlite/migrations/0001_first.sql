-- Ids are 63-bit snowflakes, times UTC nanoseconds, JSON is text. A conversation id is unique over all tenants, so the tables of its log begin their keys with it;
-- every other key begins with the tenant.

create table store_meta (
  key text primary key,
  value
) without rowid;

create table tenant (
  id integer primary key,
  slug text not null unique,
  name text not null,
  locale text not null default 'en',
  time_zone text not null default 'UTC',
  status integer not null default 0,           -- 0 in use, 1 disabled
  settings text not null default '{}',
  created_ns integer not null,
  deleted_at integer,
  row_version integer not null default 1
);

create table tenant_counter (
  tenant_id integer not null,
  name text not null,
  value integer not null,
  primary key (tenant_id, name)
) without rowid;

create table account (
  id integer primary key,
  email text not null unique,
  password_hash text not null,
  locale text not null default 'en',
  time_zone text not null default 'UTC',
  totp_secret blob,
  totp_last_step integer,
  created_ns integer not null,
  deleted_at integer,
  row_version integer not null default 1
);

create table agent (
  id integer primary key,
  tenant_id integer not null references tenant (id),
  account_id integer not null references account (id),
  role integer not null,
  display_name text not null,
  disabled integer not null default 0,
  created_ns integer not null,
  deleted_at integer,
  row_version integer not null default 1
);
create unique index agent_of_tenant on agent (tenant_id, account_id);
create index agent_of_account on agent (account_id);

create table channel (
  id integer primary key,
  tenant_id integer not null references tenant (id),
  kind text not null,
  name text not null,
  public_key text not null unique,
  allowed_origins text not null default '[]',
  settings text not null default '{}',
  created_ns integer not null,
  deleted_at integer,
  row_version integer not null default 1
);
create index channel_of_tenant on channel (tenant_id, id);

create table console_session (
  token_hash blob primary key,
  account_id integer not null references account (id),
  agent_id integer not null references agent (id),
  created_ns integer not null,
  last_used_ns integer not null,
  remember integer not null default 0
) without rowid;
create index console_session_of_account on console_session (account_id);

create table api_token (
  id integer primary key,
  agent_id integer not null references agent (id),
  name text not null,
  token_hash blob not null unique,
  created_ns integer not null,
  last_used_ns integer not null default 0
);
create index api_token_of_agent on api_token (agent_id, id);

create table word_list (
  id integer primary key,
  tenant_id integer not null references tenant (id),
  name text not null,
  action text not null,
  words text not null,
  updated_ns integer not null,
  deleted_at integer,
  row_version integer not null default 1
);
create index word_list_of_tenant on word_list (tenant_id, id);

create table visitor (
  tenant_id integer not null,
  id integer not null,
  name text,
  email text,
  locale text,
  time_zone text,
  meta text not null default '{}',
  token_version integer not null default 0,
  merged_into integer,
  blocked_at integer,
  created_ns integer not null,
  last_seen_ns integer,
  deleted_at integer,
  row_version integer not null default 1,
  primary key (tenant_id, id)
) without rowid;

create table visitor_identity (
  tenant_id integer not null,
  channel_id integer not null,
  external_id text not null,
  visitor_id integer not null,
  verified integer not null default 0,
  primary key (tenant_id, channel_id, external_id)
) without rowid;

-- The present state of a conversation: a projection of its log, except that it exists, and its status and owner, from the transaction of the entry on.
create table conversation (
  id integer primary key,
  tenant_id integer not null,
  channel_id integer not null,
  visitor_id integer not null,
  number integer not null,
  epoch text not null,
  status integer not null,                     -- 0 new, 1 waiting, 2 active, 3 closed
  claim integer not null default 0,
  assignee integer not null default 0,
  head integer not null default 0,
  public_head integer not null default 0,
  last_pos integer not null default 0,
  applied_pos integer not null default 0,      -- entries up to this position are in this row
  created_ns integer not null,
  last_ts_ns integer not null default 0,
  last_text_seq integer not null default 0,
  last_from integer not null default 0,
  preview text not null default '',
  waiting_since integer not null default 0,
  first_response_at integer not null default 0,
  closed_ns integer not null default 0,
  closed_by_kind integer not null default 0,
  closed_by_id integer not null default 0,
  closed_reason text not null default '',
  first_seq integer not null default 1,
  archived_seq integer not null default 0,
  team_id integer,
  priority integer not null default 0,
  language text,
  snoozed_until integer,
  merged_into integer,
  context text not null default '{}'
);
create unique index conversation_number on conversation (tenant_id, number);
create unique index conversation_one_open on conversation (tenant_id, channel_id, visitor_id) where status <> 3;
create index conversation_of_visitor on conversation (channel_id, visitor_id);
create index conversation_open on conversation (tenant_id, id) where status <> 3;
create index conversation_closed on conversation (tenant_id, last_pos) where status = 3;
create index conversation_changed on conversation (tenant_id, last_pos);

-- The journal: rows are only ever added at the end. pos is the journal position. Rows without seq are remembered answers (voids, refusals).
create table message (
  pos integer primary key,
  tenant_id integer not null,
  conv integer not null,
  seq integer,
  skip integer not null,                       -- public: internal entries right before it
  audience integer not null,
  kind integer not null,
  principal_kind integer not null,
  principal_id integer not null,
  rev integer,                                 -- seq of the last entry that changed this one
  flags integer not null,                      -- src/store/message_facts.hpp
  status integer,                              -- after it, if it changed the conversation
  assignee integer,
  channel_id integer not null,
  erased_at integer,
  item blob not null                           -- Pack v1 with one item
);
create unique index message_conv_seq on message (conv, seq) where seq is not null;

-- What an edit, a recall or an erasure took away.
create table message_original (
  conv integer not null,
  seq integer not null,
  replaced_by integer not null,                -- seq of the entry that did it
  tenant_id integer not null,
  replaced_ns integer not null,
  item blob not null,
  primary key (conv, seq, replaced_by)
) without rowid;

-- The last answers of each sender instance, a projection of the log: 41 bytes per answer, oldest first (src/store/sender_results.hpp).
create table sender_state (
  conv integer not null,
  principal_kind integer not null,
  principal_id integer not null,
  dev blob not null,
  tenant_id integer not null,
  last_used_ns integer not null,
  results blob not null,
  primary key (conv, principal_kind, principal_id, dev)
) without rowid;

create table external_ref (
  tenant_id integer not null,
  channel_id integer not null,
  ext_id text not null,
  conv integer not null,
  seq integer not null,
  hash integer not null,
  created_ns integer not null,
  primary key (tenant_id, channel_id, ext_id)
) without rowid;

create table receipt (
  conv integer not null,
  principal_kind integer not null,
  principal_id integer not null,
  tenant_id integer not null,
  rcv_seq integer not null,
  read_seq integer not null,
  primary key (conv, principal_kind, principal_id)
) without rowid;

create table participant (
  conv integer not null,
  principal_kind integer not null,
  principal_id integer not null,
  tenant_id integer not null,
  joined_seq integer not null,
  left_seq integer,
  primary key (conv, principal_kind, principal_id, joined_seq)
) without rowid;

create table attachment (
  tenant_id integer not null,
  id integer not null,
  conv integer,
  seq integer,
  uploader_kind integer not null,
  uploader_id integer not null,
  name text not null,
  mime text not null,
  bytes integer not null,
  sha256 blob,
  width integer,
  height integer,
  duration_ms integer,
  state integer not null default 0,
  created_ns integer not null,
  deleted_at integer,
  primary key (tenant_id, id)
) without rowid;

insert into store_meta (key, value) values ('incarnation', 1), ('snowflake_ms', 0), ('projected_pos', 0), ('settled', 0);
