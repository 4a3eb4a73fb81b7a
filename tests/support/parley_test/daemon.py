"""Starts, stops and kills a real daemon on free loopback ports, with a data folder of its own."""
import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

import aiohttp

from .ports import free_port
from .servers import Backing, shared
from .store import StandardReader, StoreReader

ROOT = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("PARLEY_BIN", ROOT / "build/dev/src/app/parley"))
STORE = os.environ.get("PARLEY_TEST_STORE", "embedded")  # of daemons that are not told otherwise
assert STORE in ("embedded", "standard"), f"PARLEY_TEST_STORE is {STORE}; expected embedded or standard"

# Short enough that a test can wait for them, long enough for a busy machine.
QUICK_SESSION = {
    "hello": "2s",
    "agent_ping": "2s",
    "agent_grace": "2s",
    "visitor_ping": "2s",
    "visitor_grace": "2s",
    "hidden_ping": "3s",
    "hidden_grace": "2s",
    "agent_presence": "1s",
    "visitor_sends_per_second": 5000,
    "visitor_send_burst": 5000,
    "agent_sends_per_second": 5000,
    "agent_send_burst": 5000,
}


def toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


class Daemon:
    """One data folder and the processes that serve it, one after another.

    `settings` are {"section": {"key": value}} over QUICK_SESSION; `env` is added to the environment of the next start.
    `store` is "embedded", "standard" (a database and a prefix of its own on the shared servers), or what the standard store is to stand on; without it
    PARLEY_TEST_STORE decides.
    """

    def __init__(
        self, folder: Path, settings: Optional[Dict[str, Dict[str, Any]]] = None, env: Optional[Dict[str, str]] = None, store: Union[str, Backing, None] = None
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.config = folder / "parley.toml"
        self.log_path = folder / "parley.log"
        self.port, self.ops_port = free_port(), free_port()
        self.env = dict(env or {})
        self.settings: Dict[str, Dict[str, Any]] = {
            "server": {"listen": "127.0.0.1", "port": self.port, "reactors": 2, "drain": "2s"},
            "ops": {"listen": "127.0.0.1", "port": self.ops_port},
            "store": {"folder": str(self.data)},
            "session": dict(QUICK_SESSION),
            "tenant": {},
            "log": {"level": "debug", "format": "text"},
        }
        store = store or STORE
        self._owned = shared().backing() if store == "standard" else None
        self.backing = store if isinstance(store, Backing) else self._owned
        if self.backing:
            for section, keys in self.backing.settings().items():
                self.settings.setdefault(section, {}).update(keys)
        for section, keys in (settings or {}).items():
            self.settings.setdefault(section, {}).update(keys)
        self.process: Optional[subprocess.Popen] = None
        folder.mkdir(parents=True, exist_ok=True)

    # ---- addresses ----
    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def ops(self) -> str:
        return f"http://127.0.0.1:{self.ops_port}"

    # ---- life ----
    def write_config(self) -> None:
        lines: List[str] = []
        for section, keys in self.settings.items():
            lines += [f"[{section}]"] + [f"{key} = {toml(value)}" for key, value in keys.items()] + [""]
        self.config.write_text("\n".join(lines), encoding="utf-8")

    def spawn(self) -> None:
        """Starts the process and does not wait for it."""
        assert self.process is None or self.process.poll() is not None, "still running"
        self.write_config()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PARLEY_")}
        environment.update(self.env)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(BINARY), "serve", "--config", str(self.config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=self.folder
            )

    async def start(self, timeout: float = 30) -> "Daemon":
        self.spawn()
        await self.until_ready(timeout)
        return self

    async def until_ready(self, timeout: float = 30) -> None:
        deadline = time.monotonic() + timeout
        async with aiohttp.ClientSession() as http:
            while True:
                assert self.process
                if self.process.poll() is not None:
                    raise AssertionError(f"the daemon ended with {self.process.returncode} while starting:\n{self.tail()}")
                try:
                    async with http.get(self.ops + "/readyz", timeout=aiohttp.ClientTimeout(total=2)) as answer:
                        if answer.status == 200:
                            return
                except (aiohttp.ClientError, asyncio.TimeoutError):
                    pass
                if time.monotonic() > deadline:
                    raise AssertionError(f"not ready after {timeout} s:\n{self.tail()}")
                await asyncio.sleep(0.02)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        assert self.process
        if self.process.poll() is None:
            self.process.send_signal(number)

    async def wait(self, timeout: float = 30) -> int:
        """Until the process ended by itself; its exit code (negative: signal)."""
        assert self.process
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"still running after {timeout} s:\n{self.tail()}")
            await asyncio.sleep(0.01)
        return self.process.returncode

    async def kill(self) -> None:
        """SIGKILL: no goodbye, no flush."""
        self.signal(signal.SIGKILL)
        await self.wait()

    async def stop(self, timeout: float = 30) -> int:
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return await self.wait(timeout)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def dispose(self) -> None:
        """For fixtures: whatever happened, nothing stays behind."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._owned:
            self._owned.drop()

    # ---- looking inside ----
    def reader(self) -> Union[StoreReader, StandardReader]:
        """What stands in the store, read without the daemon."""
        return StandardReader(self.backing) if self.backing else StoreReader(self.data)

    async def until_archived(self, timeout: float = 20) -> None:
        """Until lists of what is closed or changed, which lag behind by a flush in the standard store, know everything acknowledged by now."""
        reader = self.reader()
        deadline = time.monotonic() + timeout
        while isinstance(reader, StandardReader) and not reader.is_archived():
            if time.monotonic() > deadline:
                raise AssertionError(f"not archived after {timeout} s:\n{self.tail()}")
            await asyncio.sleep(0.02)

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log().splitlines()[-lines:])

    def rss_bytes(self) -> int:
        assert self.process
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    async def metrics(self) -> Dict[str, float]:
        """Samples by 'name{labels}' as /metrics prints them."""
        async with aiohttp.ClientSession() as http:
            async with http.get(self.ops + "/metrics") as answer:
                assert answer.status == 200
                text = await answer.text()
        samples: Dict[str, float] = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    def cli(self, *arguments: str, timeout: float = 30, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Runs `parley <arguments>` on this configuration."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PARLEY_")}
        done = subprocess.run(
            [str(BINARY), *arguments], capture_output=True, text=True, timeout=timeout, env=environment, cwd=self.folder, stdin=subprocess.DEVNULL
        )
        if check and done.returncode != 0:
            raise AssertionError(f"parley {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    async def admin(self, path: str, body: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """POST /admin/v1/<path> on data/admin.sock."""
        connector = aiohttp.UnixConnector(path=str(self.data / "admin.sock"))
        async with aiohttp.ClientSession(connector=connector) as http:
            async with http.post(f"http://localhost/admin/v1/{path}", json=body or {}) as answer:
                text = await answer.text()
                if answer.status >= 300:
                    raise AssertionError(f"admin {path}: {answer.status} {text}")
                return await answer.json(content_type=None)
