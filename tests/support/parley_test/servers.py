"""Redis and PostgreSQL servers of the tests' own: on free loopback ports and unix sockets, with temporary data, ended with the tests however those end.

`shared()` has one of each for a whole run of pytest, where every daemon gets a database and a prefix (`Backing`). A test that stops or breaks servers makes its own ones.
Start servers from the main thread: the kernel ends them with the thread that started them.
"""
import atexit
import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import psycopg2
import redis

from .ports import free_port

POSTGRES_BIN = Path(os.environ.get("PARLEY_TEST_POSTGRES_BIN", "/usr/lib/postgresql/15/bin"))
ROLE = "parley"  # owns the databases and is no superuser, as on a real server
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False
    except PermissionError:
        return True


def _run_folder() -> Path:
    """One folder for everything this process starts; what killed runs left is removed. Not pytest's, which another user cannot enter."""
    global _folder
    if _folder is None:
        for left in Path(tempfile.gettempdir()).glob("parley-servers-*"):
            pid = left.name.split("-")[2]
            if pid.isdigit() and not _is_alive(int(pid)):
                shutil.rmtree(left, ignore_errors=True)
        _folder = Path(tempfile.mkdtemp(prefix=f"parley-servers-{os.getpid()}-"))
        _folder.chmod(0o755)
        owner = os.getpid()
        atexit.register(lambda: os.getpid() == owner and _end_all())
    return _folder


_folder: Optional[Path] = None
_running: List["Server"] = []


def _end_all() -> None:
    for server in list(_running):
        server.kill()
    if _folder is not None:
        shutil.rmtree(_folder, ignore_errors=True)


def _poll(what: str, attempt: Callable[[], bool], timeout: float, give_up: Callable[[], Optional[str]] = lambda: None) -> None:
    deadline = time.monotonic() + timeout
    while not attempt():
        reason = give_up()
        if reason is None and time.monotonic() > deadline:
            reason = f"not within {timeout} s"
        if reason is not None:
            raise AssertionError(f"{what}: {reason}")
        time.sleep(0.01)


class Server:
    """A folder of data and the processes that serve it, one after another, always on the same port."""

    user: Optional[str] = None
    death_signal = signal.SIGKILL

    def __init__(self, name: str, env: Optional[Dict[str, str]]) -> None:
        self.folder = _run_folder() / f"{name}-{next(_numbers)}"
        self.folder.mkdir()
        self.data = self.folder / "data"
        self.log_path = self.folder / "server.log"
        self.port = free_port()
        self.env = dict(env or {})
        self.process: Optional[subprocess.Popen] = None

    # ---- what a kind of server says of itself ----
    def command(self) -> List[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    # ---- life ----
    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def spawn(self) -> None:
        """Starts the process and does not wait for it."""
        assert not self.running, "still running"
        death_signal = self.death_signal

        def follow_the_test() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, death_signal)

        who: Dict[str, Any] = {}
        if self.user is not None:
            who = {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.env}, cwd=self.folder, preexec_fn=follow_the_test, **who
            )
        _running.append(self)

    def start(self, timeout: float = 30) -> "Server":
        self.spawn()
        self.until_ready(timeout)
        return self

    def until_ready(self, timeout: float = 30) -> None:
        def ended() -> Optional[str]:
            assert self.process
            return None if self.process.poll() is None else f"ended with {self.process.returncode}\n{self.log()[-2000:]}"

        _poll(f"start of {self.folder.name}", self.answers, timeout, ended)

    def _signal(self, number: int) -> None:
        assert self.process
        for pid in self._family():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def _family(self) -> List[int]:
        """The server's processes, the first one first: it makes no new ones once it stands."""
        assert self.process
        pid = self.process.pid
        if not self.running:
            return []
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        except OSError:
            children = []
        return [pid] + [int(child) for child in children]

    def stop(self, timeout: float = 30) -> int:
        """The orderly end; the exit code."""
        assert self.process
        if self.running:
            self.process.send_signal(self.stop_signal)
        try:
            return self.process.wait(timeout)
        finally:
            self._ended()

    stop_signal = signal.SIGTERM

    def kill(self) -> None:
        """SIGKILL to all its processes, and until they are gone."""
        if self.process is None:
            return
        family: List[int] = []
        if self.running:
            self.pause()  # so that no process is made behind our back
            family = self._family()
            self._signal(signal.SIGKILL)
        self.process.wait()
        _poll(f"end of {self.folder.name}", lambda: all(_state(pid) in "ZX" for pid in family), 10)
        self._ended()

    def _ended(self) -> None:
        if self in _running and not self.running:
            _running.remove(self)

    def kill_children(self) -> None:
        """SIGKILL to what the server has forked: a snapshot, a rewrite of its file."""
        for pid in self._family()[1:]:
            os.kill(pid, signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: connections stay and nothing answers."""
        assert self.process
        if self.running:
            os.kill(self.process.pid, signal.SIGSTOP)
            _poll("stop", lambda: _state(self.process.pid) in "TZX", 5)  # type: ignore[union-attr]
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def restart(self, timeout: float = 30) -> None:
        """Orderly, on the same data and port."""
        self.stop()
        self.start(timeout)

    def dispose(self) -> None:
        """For fixtures: nothing stays behind."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return "X"


class Redis(Server):
    """With the settings of docs/runbooks/standard-mode.md. `options` are lines of redis.conf; they stay as they are over restarts, and a test may change them in between."""

    def __init__(self, appendfsync: str = "always", options: Optional[Dict[str, str]] = None, env: Optional[Dict[str, str]] = None) -> None:
        super().__init__("redis", env)
        self.data.mkdir()
        self.socket = self.folder / "redis.sock"
        self.options = {
            "bind": "127.0.0.1",
            "save": "",
            "appendonly": "yes",
            "appendfsync": appendfsync,
            "aof-load-truncated": "yes",
            "auto-aof-rewrite-min-size": "512mb",
            "rdbcompression": "no",
            "latency-tracking": "no",
            "maxmemory-policy": "noeviction",
            **(options or {}),
        }

    def command(self) -> List[str]:
        command = ["redis-server", "--port", str(self.port), "--unixsocket", str(self.socket), "--dir", str(self.data)]
        for name, value in self.options.items():
            command += [f"--{name}", value]
        return command

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def url(self, database: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    @property
    def unix_url(self) -> str:
        return f"unix:{self.socket}"

    def client(self, database: int = 0) -> "redis.Redis[bytes]":
        return redis.Redis(host="127.0.0.1", port=self.port, db=database, socket_timeout=10, socket_connect_timeout=10)

    def forget(self) -> None:
        """What a lost disk does. Only while it does not run."""
        assert not self.running
        shutil.rmtree(self.data)
        self.data.mkdir()


class Postgres(Server):
    """Without fsync unless a test is about that. Everybody on this machine may sign in as any role."""

    death_signal = signal.SIGQUIT  # ends its processes too
    stop_signal = signal.SIGINT  # the fast shutdown: does not wait for clients

    def __init__(self, fsync: bool = False, options: Optional[Dict[str, str]] = None, env: Optional[Dict[str, str]] = None) -> None:
        super().__init__("postgres", env)
        template = _template()
        self.user = _unprivileged()
        self.options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "fsync": "on" if fsync else "off",
            "full_page_writes": "on" if fsync else "off",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "max_wal_size": "256MB",
            **(options or {}),
        }
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        subprocess.run(["cp", "-a", "--reflink=auto", str(template), str(self.data)], check=True)

    def command(self) -> List[str]:
        command = [str(POSTGRES_BIN / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        for name, value in self.options.items():
            command += ["-c", f"{name}={value}"]
        return command

    def answers(self) -> bool:
        try:
            self.connect("postgres").close()
            return True
        except psycopg2.OperationalError:
            return False

    def conninfo(self, database: str, role: str = ROLE) -> str:
        return f"host=127.0.0.1 port={self.port} dbname={database} user={role}"

    def unix_conninfo(self, database: str, role: str = ROLE) -> str:
        return f"host={self.folder} port={self.port} dbname={database} user={role}"

    def connect(self, database: str, role: str = "postgres") -> Any:
        """A connection of psycopg2 that commits each statement; the caller closes it."""
        connection = psycopg2.connect(self.conninfo(database, role), connect_timeout=10)
        connection.autocommit = True
        return connection

    def execute(self, database: str, sql: str, parameters: Any = None) -> List[Any]:
        """Rows of one statement as superuser; an empty list if it gives none."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def create_database(self, name: str) -> str:
        """Its connection string."""
        self.execute("postgres", f'create database "{name}" owner {ROLE}')
        return self.conninfo(name)

    def drop_database(self, name: str) -> None:
        self.execute("postgres", f'drop database if exists "{name}" with (force)')


def _unprivileged() -> Optional[str]:
    """PostgreSQL refuses root."""
    return "nobody" if os.geteuid() == 0 else None


def _template() -> Path:
    """An empty cluster with the role, made once: copying it is faster than initdb."""
    folder = _run_folder() / "postgres-template"
    data = folder / "data"
    if folder.exists():
        return data
    folder.mkdir()
    user = _unprivileged()
    who: Dict[str, Any] = {}
    if user is not None:
        shutil.chown(folder, user)
        who = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}

    def run(*command: str, said: str = "") -> None:
        done = subprocess.run([str(POSTGRES_BIN / command[0]), *command[1:]], input=said, capture_output=True, text=True, cwd=folder, **who)
        assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"

    run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--wal-segsize=1", "--no-sync")
    run("postgres", "--single", "-F", "-D", str(data), "postgres", said=f"create role {ROLE} login;\n")
    return data


class Backing:
    """What one daemon's standard store stands on: a database and a prefix of keys. Two daemons given the same one compete for it."""

    def __init__(self, redis_server: Redis, postgres: Postgres, name: str = "", shards: int = 1) -> None:
        self.redis, self.postgres, self.shards = redis_server, postgres, shards
        self.name = name or f"parley{next(_numbers)}"
        self.prefix = self.name
        postgres.create_database(self.name)

    def settings(self) -> Dict[str, Dict[str, Any]]:
        """For the daemon's configuration file."""
        return {
            "store": {"mode": "standard"},
            "redis": {"url": self.redis.url(), "prefix": self.prefix, "shards": self.shards, "lease": "2s"},
            "postgres": {"url": self.postgres.conninfo(self.name)},
        }

    def keys(self) -> List[bytes]:
        with self.redis.client() as client:
            return [key for form in (f"{self.prefix}:*", f"{{{self.prefix}:*") for key in client.scan_iter(match=form, count=1000)]

    def drop(self) -> None:
        """Removes database and keys, if the servers still run."""
        if self.postgres.running:
            self.postgres.drop_database(self.name)
        if self.redis.running:
            keys = self.keys()
            if keys:
                with self.redis.client() as client:
                    client.unlink(*keys)


class Servers:
    """One of each."""

    def __init__(self) -> None:
        self.redis, self.postgres = Redis(), Postgres()
        self.redis.start()
        self.postgres.start()

    def backing(self, **extra: Any) -> Backing:
        return Backing(self.redis, self.postgres, **extra)


_shared: Optional[Servers] = None


def shared() -> Servers:
    """The servers of this run, started when first asked for. Tests leave them as they are."""
    global _shared
    if _shared is None:
        _shared = Servers()
    return _shared
