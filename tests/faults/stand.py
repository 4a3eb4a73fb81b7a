"""A standard store that a test may break: servers of its own, misbehaving links to them, a daemon, and people who talk."""
import asyncio
import json
import os
import random
import time
from pathlib import Path
from typing import Any, Dict, List, Optional

import aiohttp
from checker import Verdict
from load import Load
from parley_test.daemon import Daemon
from parley_test.disk import Disk
from parley_test.history import History
from parley_test.proxy import Proxy
from parley_test.servers import Backing, Postgres, Redis
from parley_test.site import Site
from truth import StandardTruth

CONVERGES_S = 10.0  # I6: how long after the end of a fault everything may take to be right again


class Stand:
    """`async with Stand(tmp_path, seed=…) as stand`. Servers listen on ports of their own; with `links` the daemon reaches them through the proxies redis_link and postgres_link.

    The servers are started by open(), the daemon and the load by begin().
    """

    def __init__(self, folder: Path, seed: int, appendfsync: str = "always", links: bool = False, redis_options: Optional[Dict[str, str]] = None, shards: int = 1) -> None:
        self.folder, self.seed = folder, seed
        self.dice = random.Random(seed)
        self.redis = Redis(appendfsync, redis_options)
        self.disk = Disk(self.redis.data, self.redis.folder / "disk")
        self.redis.env.update(self.disk.env())
        self.postgres = Postgres()
        self._shards, self._links = shards, links
        self.redis_link: Optional[Proxy] = None
        self.postgres_link: Optional[Proxy] = None
        self.history = History(folder / "history.jsonl")
        self.daemons: List[Daemon] = []

    async def __aenter__(self) -> "Stand":
        try:
            self.start_redis()
            self.postgres.start()
            self.backing = Backing(self.redis, self.postgres, shards=self._shards)
            self.daemon = self.new_daemon()
            if self._links:
                self.redis_link = await Proxy(self.redis.port).__aenter__()
                self.postgres_link = await Proxy(self.postgres.port).__aenter__()
                self.through_links(self.daemon)
        except BaseException:
            await self.__aexit__()
            raise
        self.truth = StandardTruth(self.backing)
        return self

    async def __aexit__(self, *_: object) -> None:
        for daemon in self.daemons:
            await daemon.dispose()
        for link in (self.redis_link, self.postgres_link):
            if link is not None:
                await link.__aexit__()
        self.redis.dispose()
        self.postgres.dispose()
        self.history.close()

    def new_daemon(self, name: str = "daemon") -> Daemon:
        """One more on the same store, not started; it competes with the others."""
        daemon = Daemon(self.folder / name, store=self.backing)
        self.daemons.append(daemon)
        return daemon

    def through_links(self, daemon: Daemon) -> None:
        assert self.redis_link and self.postgres_link
        daemon.settings["redis"]["url"] = f"redis://127.0.0.1:{self.redis_link.port}/0"
        daemon.settings["postgres"]["url"] = f"host=127.0.0.1 port={self.postgres_link.port} dbname={self.backing.name} user=parley connect_timeout=5"

    async def begin(self, **load: Any) -> Load:
        await self.daemon.start()
        self.site = await Site.make(self.daemon, self.history)
        self.load = await Load(self.site, **{"seed": self.seed, **load}).start()
        self.bystander = await self.load.add_bystander()
        return self.load

    # ---- servers ----

    def start_redis(self) -> int:
        """As a supervisor does, again if it ends at once: Redis stops at a torn file that is not its last one, having mended it. How many starts it took."""
        for attempt in (1, 2):
            before = len(self.redis.log())
            try:
                self.redis.start()
                return attempt
            except AssertionError:
                if attempt == 2 or "the truncated file is not the last file" not in self.redis.log()[before:]:
                    raise
        raise AssertionError("unreachable")

    def lose_power(self, whole_tail: bool = False) -> int:
        """Redis and its unsynced writes are gone; it is not started again. How many bytes were dropped."""
        self.redis.kill()
        return self.disk.cut_power(None if whole_tail else self.dice)

    async def tear_a_transaction(self) -> None:
        """The power of Redis goes while a transaction is on its way to the disk, which has got its beginning: everything before the last command, and a part of that. Nobody was
        answered. Redis is not started again."""
        for _ in range(20):
            self.disk.slow(1000)
            await asyncio.sleep(self.dice.uniform(0.02, 0.2))
            self.redis.kill()
            torn = self.disk.tear_transaction(self.dice)
            self.disk.heal()
            if torn:
                return
            self.start_redis()
            await self.load.more_acks(5)
        raise AssertionError("no transaction was on its way")

    def terminate_backends(self, what: str = "") -> int:
        """PostgreSQL ends the daemon's connections, or those whose present or last statement contains `what`."""
        rows = self.postgres.execute(
            "postgres",
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and query ilike %s",
            (self.backing.name, f"%{what}%"),
        )
        return len(rows)

    # ---- what the daemon says ----

    async def readiness(self, daemon: Optional[Daemon] = None) -> Any:
        """(status, reasons) of /readyz; (0, []) if nobody answers."""
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as http:
                async with http.get((daemon or self.daemon).ops + "/readyz") as answer:
                    text = await answer.text()
                    return answer.status, json.loads(text).get("reasons", [])
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError):
            return 0, []

    async def until_ready_is(self, status: int, timeout: float = 20) -> List[str]:
        deadline = time.monotonic() + timeout
        while True:
            now, reasons = await self.readiness()
            if now == status:
                return reasons
            assert time.monotonic() < deadline, f"/readyz says {now} {reasons} instead of {status} after {timeout} s\n{self.daemon.tail()}"
            await asyncio.sleep(0.05)

    def codes(self, since: int = 0) -> List[str]:
        """Of the refusals that senders got, from that event of the history on."""
        return [e["code"] for e in self.history.events[since:] if e["ev"] == "error"]

    async def is_told(self, code: str, timeout: float = CONVERGES_S) -> None:
        """The bystander says something and is told `code`. Only while nothing is on its way to the journal: answers come in order, and what was handed over may be stored already."""
        answer = self.bystander.say("does anybody hear me?")
        deadline = time.monotonic() + timeout
        before = len(self.history.events)
        while not any(e["ev"] == "error" and e["client"] == self.bystander.name and e["code"] == code for e in self.history.events[before:]):
            assert not answer.done(), f"it was answered: {answer.result()}"
            assert time.monotonic() < deadline, f"nobody is told {code} within {timeout} s\n{self.daemon.tail()}"
            await asyncio.sleep(0.02)

    async def no_acks_during(self, seconds: float, grace: float = 0.3) -> None:
        """Nothing is acknowledged that nobody could have stored. What was on its way is let through first."""
        await asyncio.sleep(grace)
        before = self.load.acks()
        await asyncio.sleep(seconds)
        assert self.load.acks() == before, f"{self.load.acks() - before} acks while there was nothing to store them"

    async def until(self, what: str, holds: Any, timeout: float = CONVERGES_S) -> None:
        """`holds` may be a plain function or a coroutine function."""
        deadline = time.monotonic() + timeout
        while True:
            value = holds()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return
            assert time.monotonic() < deadline, f"not within {timeout} s: {what}\n{self.daemon.tail()}"
            await asyncio.sleep(0.05)

    async def drained(self, timeout: float = CONVERGES_S) -> None:
        """Until PostgreSQL has all that is in the journal now."""
        deadline = time.monotonic() + timeout
        goal = self.truth.ends()
        while True:
            progress = self.truth.progress()
            if all(progress.get(shard, 0) >= counter for shard, counter in goal.items()):
                return
            assert time.monotonic() < deadline, f"archived up to {progress} of {goal} after {timeout} s\n{self.daemon.tail()}"
            await asyncio.sleep(0.1)

    # ---- the verdict ----

    async def judge(self, rest_timeout: float = 40, drain_timeout: float = 20) -> Verdict:
        """Everybody is answered and shows everything, PostgreSQL has it all, and nothing contradicts anything. Then the load is over."""
        try:
            await self.load.come_to_rest(rest_timeout)
            await self.drained(drain_timeout)
        except AssertionError:
            await self.load.end()
            raise
        return await self.load.judge(rest=False)

    async def sound(self, **limits: float) -> Verdict:
        """judge(), and the test fails with what is wrong."""
        verdict = await self.judge(**limits)
        assert verdict.ok, str(verdict)
        return verdict


class Watch:
    """Memory and descriptors of a daemon while a fault lasts (I4): `async with Watch(daemon) as watch: …`, then within()."""

    def __init__(self, daemon: Daemon, every_s: float = 0.2) -> None:
        self._daemon, self._every_s = daemon, every_s
        self.rss_max = self.fds_max = 0

    def look(self) -> None:
        assert self._daemon.process
        try:
            self.rss_max = max(self.rss_max, self._daemon.rss_bytes())
            self.fds_max = max(self.fds_max, len(os.listdir(f"/proc/{self._daemon.process.pid}/fd")))
        except (FileNotFoundError, ProcessLookupError, IndexError):
            pass  # it is being restarted

    async def _run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(self._every_s)

    async def __aenter__(self) -> "Watch":
        self.look()
        self.rss_before, self.fds_before = self.rss_max, self.fds_max
        self._task = asyncio.ensure_future(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def within(self, rss_mib: int = 64, fds: int = 64) -> None:
        more = (self.rss_max - self.rss_before) >> 20
        assert more <= rss_mib, f"I4: {more} MiB more than before the fault"
        assert self.fds_max - self.fds_before <= fds, f"I4: {self.fds_max - self.fds_before} more descriptors than before the fault"
