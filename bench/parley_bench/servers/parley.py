"""The daemon, on each of its stores."""
import copy
import json
import os
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any, Dict, List, Optional

from .. import machine
from ..backing import Backing, missing
from .base import Server

# Limits that protect a tenant from one visitor; here one visitor is a load.
UNLIMITED = {
    "PARLEY_SESSION__VISITOR_SENDS_PER_SECOND": "100000",
    "PARLEY_SESSION__VISITOR_SEND_BURST": "100000",
    "PARLEY_SESSION__AGENT_SENDS_PER_SECOND": "100000",
    "PARLEY_SESSION__AGENT_SEND_BURST": "100000",
    "PARLEY_SESSION__HANDSHAKES_PER_SECOND": "100000",
    "PARLEY_LOG__LEVEL": "warn",
    "PARLEY_SERVER__DRAIN": "100ms",
}
BACKGROUND_THREADS = ("store-flush", "store-search")  # carry what is journaled to PostgreSQL


class Parley(Server):
    """`store`: embedded, always or everysec (appendfsync of Redis). `tenants` are made, each with a site and an agent; `quota`: messages per second of each, 0 for no limit."""

    protocol = "parley"

    def __init__(self, store: str, reactors: int = 1, tenants: int = 1, width: int = 1, search: bool = False, quota: int = 0) -> None:
        self.quota = quota
        self.store, self.reactors, self.tenants, self.width, self.search = store, reactors, tenants, width, search
        self.name = f"parley-{store}"
        self.backing: Optional[Backing] = None
        self.ready_seconds = 0.0
        self.credentials: List[List[str]] = []

    @property
    def stored(self) -> str:  # type: ignore[override]
        return {"embedded": "SQLite, after fsync", "always": "Redis, after fsync", "everysec": "Redis, `everysec`"}[self.store]

    @property
    def remarks(self) -> str:  # type: ignore[override]
        return {
            "embedded": "SQLite in the daemon's own process, every ack after fsync.",
            "always": "Redis with `appendfsync always` (every ack after fsync), flusher to PostgreSQL on, search index off.",
            "everysec": "Redis with `appendfsync everysec` (a power loss may take the last second), flusher to PostgreSQL on, search index off.",
        }[self.store]

    def missing(self) -> Optional[str]:
        return None if self.store == "embedded" else missing(redis=True, postgres=True)

    def begin(self) -> None:
        self.ops = machine.free_port()
        environment = {**UNLIMITED, "PARLEY_SERVER__REACTORS": str(self.reactors), "PARLEY_TENANT__REACTORS": str(self.width), "PARLEY_SESSION__TENANT_SENDS_PER_SECOND": str(self.quota)}
        if self.store != "embedded":
            self.backing = Backing(appendfsync=self.store, postgres=True)
            self.backing.start()
            environment.update(
                PARLEY_STORE__MODE="standard",
                PARLEY_REDIS__URL=self.backing.redis.unix_url,
                PARLEY_POSTGRES__URL=self.backing.postgres.unix_conninfo(self.backing.database),
                PARLEY_POSTGRES__SEARCH="on" if self.search else "off",
            )
        self.data = self.folder / "data"
        self.started = time.monotonic()
        command = [str(machine.PARLEY), "serve", "--data", str(self.data), "--port", str(self.port), "--ops-port", str(self.ops)]
        self.process = machine.spawn(command, self.log, env=environment)
        machine.until(self.name, self._is_ready, self.process, self.log)
        self.ready_seconds = time.monotonic() - self.started
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            if (task / "comm").read_text().strip() in BACKGROUND_THREADS:
                os.sched_setaffinity(int(task.name), {machine.OTHER_CORE})
        for number in range(self.tenants):
            self.credentials.append(self._first_tenant() if number == 0 else self._further_tenant(number))

    def _is_ready(self) -> bool:
        if not machine.accepts(self.ops):  # cheap enough not to hold up what it waits for
            return False
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ops}/readyz", timeout=1) as answer:
                return bool(answer.read())
        except OSError:
            return False

    def _first_tenant(self) -> List[str]:
        demo = self._admin("/admin/v1/demo", {})
        return [demo["channel"]["public_key"], self._admin("/admin/v1/tokens", {"tenant": "demo", "email": demo["email"], "name": "bench"})["token"]]

    def _further_tenant(self, number: int) -> List[str]:
        # The demo's owner works for this one too.
        slug, email = f"bench{number}", "owner@demo.test"
        self._admin("/admin/v1/tenants", {"slug": slug, "name": slug})
        self._admin("/admin/v1/agents", {"tenant": slug, "email": email, "display_name": "Bench", "role": "owner"})
        site = self._admin("/admin/v1/channels", {"tenant": slug, "name": "Bench"})
        return [site["public_key"], self._admin("/admin/v1/tokens", {"tenant": slug, "email": email, "name": "bench"})["token"]]

    def _admin(self, path: str, body: Dict[str, Any]) -> Any:
        """One request to the daemon's admin socket."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.data / "admin.sock"))
            text = json.dumps(body).encode()
            s.sendall(b"POST %s HTTP/1.1\r\nHost: admin\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(text)) + text)
            answer = b""
            while part := s.recv(65536):
                answer += part
        head, _, rest = answer.partition(b"\r\n\r\n")
        if b" 20" not in head.split(b"\r\n")[0]:
            raise RuntimeError(f"{path}: {answer[:300]!r}")
        return json.loads(rest)

    def sign_in(self) -> List[str]:
        return [word for pair in self.credentials for word in ("--tenant", *pair)]

    def only(self, tenant: int) -> "Parley":
        """The same daemon, for a generator that knows one tenant."""
        one = copy.copy(self)
        one.credentials = [self.credentials[tenant]]
        return one

    def other_pids(self) -> Dict[str, int]:
        return self.backing.pids() if self.backing else {}

    def metric(self, name: str) -> float:
        """The highest value of a family."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ops}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return max((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + "{", name + " "))), default=0)

    def before_load(self) -> None:
        self.metric("parley_reactor_loop_lag_seconds")  # asking resets it

    def after_load(self, result: Dict[str, Any]) -> Dict[str, Any]:
        """The longest turn of a loop; what waited for PostgreSQL when the load ended, and how fast it went there then."""
        figures = {"loop_lag_ms": self.metric("parley_reactor_loop_lag_seconds") * 1e3}
        if self.store == "embedded":
            return figures
        backlog, lag, begin = self.metric("parley_archive_backlog_items"), self.metric("parley_archive_flush_lag_seconds"), time.monotonic()
        while self.metric("parley_archive_backlog_items") > 0:
            if time.monotonic() - begin > 600:
                raise RuntimeError("the archive does not catch up")
            time.sleep(0.05)
        return {**figures, "backlog_items": backlog, "flush_lag_s": lag, "drain_s": time.monotonic() - begin}

    def end(self) -> None:
        if self.backing:
            self.backing.stop()
