# shellcheck shell=bash
# The private Redis and PostgreSQL of `deploy/up --standard`: data, sockets and logs below the data folder, no TCP port. Expects lib.sh and `data`, an absolute path.
# Nothing here touches the services that Debian's packages bring.
: "${data:?}"

postgres_bin=/usr/lib/postgresql/15/bin
redis_pid='' postgres_pid=''
redis_started=0 postgres_started=0

# as_user NAME COMMAND…: in the place of this (sub)shell and, for root, as the unprivileged user NAME; PostgreSQL refuses root.
as_user() {
  local user=$1
  shift
  if [ "$(id -u)" -eq 0 ]; then
    exec setpriv --reuid "$user" --regid "$user" --init-groups "$@"
  fi
  exec "$@"
}

# standard_folders: makes the folders, and sees that nobody else runs on them.
standard_folders() {
  local folder
  case $data in *[!A-Za-z0-9._/@+-]*) fail "the path $data may hold only letters, digits and ._/@+- for this; choose another folder with --data" ;; esac
  [ ${#data} -le 85 ] || fail "the path $data is too long for the sockets below it; choose another folder with --data"
  [ ! -e "$data/parley.db" ] || fail "$data has an embedded store, and nothing would be carried over; choose another folder with --data"
  mkdir -p "$data" || fail "the folder $data cannot be made, for the reason above; choose another one with --data"
  # The servers inherit this file, so the lock lasts as long as any of them.
  exec 9>"$data/up.lock"
  flock -n 9 || fail "Redis or PostgreSQL of $data still run, from another deploy/up or one that was killed (process $(head -qn 1 "$data/redis/redis.pid" "$data/postgres/data/postmaster.pid" 2>/dev/null | xargs)); end those first"
  mkdir -p "$data/redis" "$data/postgres"
  if [ "$(id -u)" -eq 0 ]; then
    # Others may pass, not look: what is below is closed to them.
    chmod 711 "$data"
    chown redis: "$data/redis"
    chown postgres: "$data/postgres"
    for folder in redis postgres; do
      (as_user "$folder" test -x "$data/$folder") || fail "the user $folder cannot reach $data, because a folder above is closed to others; choose another one with --data, for example /var/lib/parley-up"
    done
  else
    chmod 700 "$data"
  fi
  chmod 700 "$data/redis" "$data/postgres"
}

# Its settings are those of docs/runbooks/standard-mode.md, which says why; tests and benchmarks have the same ones (tests/support/parley_test/servers.py).
start_redis() {
  redis_started=$SECONDS
  (as_user redis setsid redis-server --port 0 --unixsocket "$data/redis/redis.sock" --unixsocketperm 700 --dir "$data/redis" --pidfile "$data/redis/redis.pid" \
    --save '' --appendonly yes --appendfsync always --aof-load-truncated yes --auto-aof-rewrite-min-size 512mb \
    --rdbcompression no --latency-tracking no --maxmemory-policy noeviction) </dev/null >>"$data/redis/redis.log" 2>&1 &
  redis_pid=$!
}

start_postgres() {
  postgres_started=$SECONDS
  (as_user postgres setsid "$postgres_bin/postgres" -D "$data/postgres/data" -c listen_addresses= -c "unix_socket_directories=$data/postgres" -c unix_socket_permissions=0700) \
    </dev/null >>"$data/postgres/server.log" 2>&1 &
  postgres_pid=$!
}

# until_up WHAT PID LOG COMMAND…: until the command succeeds.
until_up() {
  local what=$1 pid=$2 log=$3 attempt
  shift 3
  for attempt in $(seq 600); do
    if "$@" >/dev/null 2>&1; then return; fi
    if ! kill -0 "$pid" 2>/dev/null; then
      tail -n 5 "$log" >&2
      fail "$what ended at once; $log says why"
    fi
    sleep 0.1
  done
  fail "$what did not answer within $((attempt / 10)) s; see $log"
}
# redis_stopped_to_mend: true if it ended because it found a torn file that is not its last one, which it mended: the power went while it rewrote its file. The next start goes on.
redis_stopped_to_mend() {
  for _ in $(seq 600); do
    if ! kill -0 "$redis_pid" 2>/dev/null; then
      tail -n 3 "$data/redis/redis.log" | grep -q 'the truncated file is not the last file'
      return
    fi
    if redis_answers; then return 1; fi
    sleep 0.1
  done
  return 1
}
redis_answers() { [ "$(redis-cli -s "$data/redis/redis.sock" ping 2>/dev/null)" = PONG ]; }
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$data/postgres" -U postgres -d postgres -c "$1"; }

# start_servers: both of them, with role and database.
start_servers() {
  if [ ! -d "$data/postgres/data" ]; then
    rm -rf "$data/postgres/data.new"
    # The socket is closed to all but root and its owner, so whoever reaches it may be trusted.
    (as_user postgres "$postgres_bin/initdb" -D "$data/postgres/data.new" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -k) >>"$data/postgres/server.log" 2>&1 ||
      fail "initdb failed; $data/postgres/server.log says why"
    mv "$data/postgres/data.new" "$data/postgres/data"
  fi
  start_redis
  start_postgres
  if redis_stopped_to_mend; then start_redis; fi
  until_up Redis "$redis_pid" "$data/redis/redis.log" redis_answers
  until_up PostgreSQL "$postgres_pid" "$data/postgres/server.log" "$postgres_bin/pg_isready" -h "$data/postgres" -U postgres
  [ -n "$(sql "select 1 from pg_roles where rolname = 'parley'")" ] || sql 'create role parley login'
  [ -n "$(sql "select 1 from pg_database where datname = 'parley'")" ] || sql 'create database parley owner parley'
}

# standard_config: the daemon's configuration file, written anew each time, since it names the folder.
standard_config() {
  local file=$data/parley.toml
  rm -f "$file"
  (umask 077 && cat >"$file") <<TXT
# Written by deploy/up --standard at every start. Options of your own: the environment, PARLEY_SECTION__KEY.
[store]
mode = "standard"
folder = "$data"

[redis]
url = "unix:$data/redis/redis.sock"

[postgres]
url = "host=$data/postgres dbname=parley user=parley"
TXT
}

# server_ended PID: starts it again, unless it has just been started; Parley waits for it meanwhile.
server_ended() {
  local name started log
  if [ "$1" = "$redis_pid" ]; then
    name=Redis started=$redis_started log=$data/redis/redis.log
  else
    name=PostgreSQL started=$postgres_started log=$data/postgres/server.log
  fi
  [ $((SECONDS - started)) -ge 5 ] || fail "$name ended within 5 s; $log says why"
  printf '%s ended (%s); starting it again\n' "$name" "$log" >&2
  if [ $name = Redis ]; then start_redis; else start_postgres; fi
}

# stop_servers: after Parley.
stop_servers() {
  if [ -n "$redis_pid" ] && kill -TERM "$redis_pid" 2>/dev/null; then wait "$redis_pid" || true; fi
  if [ -n "$postgres_pid" ] && kill -INT "$postgres_pid" 2>/dev/null; then wait "$postgres_pid" || true; fi
}
