#!/usr/bin/python3
"""Hours of random faults over a live load. Prints the seed first, judges every chapter, writes a report, and ends with 1 at the first thing that is wrong.

usage: tests/faults/soak.py [--minutes N] [--seed S] [--store standard|embedded] [--faults name,…] [--chapter SECONDS] [--report FILE] [--list]

A chapter is a new site with new people who talk while faults come and go; at its end everything must be answered, shown, archived and sound, and what earlier chapters
left must still be as it was judged. The seed decides which faults come, in which order and how they are (not what the machine makes of them): the same seed and store
repeat a run.
"""
import argparse
import asyncio
import itertools
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Awaitable, Callable, Dict, List, Optional, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from checker import Checker, Verdict  # noqa: E402
from load import SECRET, Load, start_under_fire  # noqa: E402
from parley_test.daemon import Daemon  # noqa: E402
from parley_test.history import History  # noqa: E402
from parley_test.proxy import DOWN, UP, Proxy  # noqa: E402
from parley_test.site import Site  # noqa: E402
from parley_test.wire import cut_all  # noqa: E402
from stand import Stand, Watch  # noqa: E402

RECOVERS_S = 40.0  # how long after a fault the service may take to be ready and to acknowledge again
SESSION_POINTS = ["session.after_decode", "session.before_ack", "session.before_fanout"]
EMBEDDED_POINTS = SESSION_POINTS + ["journal.before_commit", "journal.after_commit"]
STANDARD_POINTS = EMBEDDED_POINTS + ["flush.after_copy", "flush.before_commit", "flush.after_commit", "flush.after_trim"]


class Soak:
    """One daemon through all chapters. What faults need: dice, daemon, link (of the clients), and stand with a standard store."""

    def __init__(self, folder: Path, seed: int, store: str) -> None:
        self.folder, self.seed, self.store = folder, seed, store
        self.dice = random.Random(seed)
        self.stand: Optional[Stand] = None
        self.restarts = 0  # by the supervisor: the daemon ended by itself, as it must when it lost its store
        self.judged: Dict[str, List[Tuple[Any, ...]]] = {}  # by conversation: its entries as they were at the last judgement
        self.points = STANDARD_POINTS if store == "standard" else EMBEDDED_POINTS

    async def __aenter__(self) -> "Soak":
        if self.store == "standard":
            self.stand = await Stand(self.folder, self.seed, links=True).__aenter__()
            self.daemon = self.stand.daemon
        else:
            self.daemon = Daemon(self.folder / "daemon", store="embedded")
            self.daemon.env["PARLEY_TEST_VFS"] = "power_loss"
        self.daemon.settings["log"]["level"] = "info"
        await self.daemon.start()
        self.link = await Proxy(self.daemon.port, self.seed).__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.link.__aexit__()
        await self.daemon.dispose()
        if self.stand:
            await self.stand.__aexit__()

    # ---- chapters ----

    async def begin_chapter(self, number: int) -> None:
        self.history = History(self.folder / "history.jsonl")
        self.site = await self._make_site(f"shop{number}")
        self.load = Load(self.site, visitors=5, agents=2, seed=self.dice.randrange(1 << 32), url=f"ws://127.0.0.1:{self.link.port}/ws", pause_s=0.05)
        await self.load.start()

    async def _make_site(self, slug: str) -> Site:
        """What is made by hand is not repeated by itself: whoever gets a 503 tries again."""
        deadline = time.monotonic() + RECOVERS_S
        for attempt in itertools.count():
            try:
                return await Site.make(self.daemon, self.history, f"{slug}-{attempt}")
            except AssertionError as refused:
                if ": 503 " not in str(refused) or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.5)
        raise AssertionError("unreachable")

    async def end_chapter(self) -> Verdict:
        try:
            await self.load.come_to_rest(60)
            if self.stand:
                await self.stand.drained(60)
        finally:
            for client in self.load.clients:
                client.finish()
            await self.load.end()
        # In a thread: it takes a while, and the links between daemon, Redis and PostgreSQL go through this process.
        verdict = await asyncio.to_thread(self._judge)
        self.history.close()
        await cut_all()
        return verdict

    def _judge(self) -> Verdict:
        mine = {event["conv"] for event in self.history.events if event.get("conv")}
        entries = self.daemon.reader().entries()
        received = {client.name: client.received for client in self.load.visitors}
        verdict = Checker(self.history, [e for e in entries if e.conv in mine], [SECRET], received).run()
        if self.stand:
            verdict.violations += self.stand.truth.contradictions()
        now: Dict[str, List[Tuple[Any, ...]]] = {}
        for entry in entries:  # what was judged stays as it was
            if entry.seq is not None:
                now.setdefault(entry.conv, []).append((entry.seq, entry.type, entry.id, entry.rev, hash(entry.text)))
        for conv, then in self.judged.items():
            if now.get(conv) != then:
                changed = next((pair for pair in zip(then, now.get(conv, [])) if pair[0] != pair[1]), None)
                verdict.violations.append(f"I1: conversation {conv} of an earlier chapter had {len(then)} entries and has {len(now.get(conv, []))}; first change: {changed}")
        self.judged = now
        return verdict

    # ---- the supervisor ----

    async def recovered(self) -> None:
        """Ready and acknowledging, without help but that of whoever restarts what has ended."""
        deadline = time.monotonic() + RECOVERS_S
        acks = self.load.acks()
        while self.load.acks() < acks + 20:
            if not self.daemon.running:
                self.restarts += 1
                await self.daemon.start(RECOVERS_S)
            if self.stand and not self.stand.redis.running:
                self.stand.start_redis()
            if time.monotonic() > deadline:
                raise AssertionError(f"I6: no 20 acks within {RECOVERS_S} s\n{self.daemon.tail(60)}")
            await asyncio.sleep(0.05)

    def nap(self, low: float, high: float) -> "Awaitable[None]":
        return asyncio.sleep(self.dice.uniform(low, high))


Fault = Callable[[Soak], Awaitable[None]]
FAULTS: Dict[str, Tuple[Fault, bool]] = {}  # name: what it does, whether it needs the standard store


def fault(standard: bool = False) -> Callable[[Fault], Fault]:
    def register(function: Fault) -> Fault:
        FAULTS[function.__name__] = (function, standard)
        return function

    return register


@fault()
async def daemon_killed(soak: Soak) -> None:
    await soak.daemon.kill()
    await soak.nap(0, 1)
    await soak.daemon.start(RECOVERS_S)


@fault()
async def daemon_killed_at_a_point(soak: Soak) -> None:
    await soak.daemon.kill()
    soak.daemon.env["PARLEY_FAULT"] = f"{soak.dice.choice(soak.points)}:kill:{soak.dice.randint(0, 60)}"
    try:
        if await start_under_fire(soak.daemon):
            try:
                await soak.daemon.wait(20)
            except AssertionError:
                await soak.daemon.kill()  # the load was too quiet for it
    finally:
        del soak.daemon.env["PARLEY_FAULT"]
    await soak.daemon.start(RECOVERS_S)


@fault()
async def daemon_restarted(soak: Soak) -> None:
    code = await soak.daemon.stop()
    assert code == 0, f"an orderly end says {code}\n{soak.daemon.tail()}"
    await soak.daemon.start(RECOVERS_S)


@fault()
async def daemon_stopped(soak: Soak) -> None:
    soak.daemon.signal(signal.SIGSTOP)
    try:
        await soak.nap(0.1, 6)
    finally:
        soak.daemon.signal(signal.SIGCONT)


@fault()
async def client_link_misbehaves(soak: Soak) -> None:
    for _ in range(soak.dice.randint(3, 25)):
        what = soak.dice.choice(("cut", "cut", "reset", "stall", "slow", "half", "lossy"))
        await misbehave(soak, soak.link, what)
        await soak.nap(0.02, 0.2)
    soak.link.heal()


@fault(standard=True)
async def redis_killed(soak: Soak) -> None:
    for _ in range(soak.dice.randint(1, 3)):
        soak.stand.redis.kill()
        await soak.nap(0, 2)
        soak.stand.start_redis()
        await soak.nap(0, 1)


@fault(standard=True)
async def redis_loses_power(soak: Soak) -> None:
    soak.stand.disk.slow(soak.dice.choice((0, 5, 20)))
    await soak.nap(0, 0.3)
    both = soak.dice.random() < 0.4
    if both:
        await soak.daemon.kill()
    soak.stand.lose_power()
    soak.stand.disk.heal()
    await soak.nap(0, 1)
    soak.stand.start_redis()
    if both:
        await soak.daemon.start(RECOVERS_S)


@fault(standard=True)
async def redis_stands_still(soak: Soak) -> None:
    soak.stand.redis.pause()
    try:
        await soak.nap(0.2, 8)
    finally:
        soak.stand.redis.resume()


@fault(standard=True)
async def redis_is_out_of_memory(soak: Soak) -> None:
    with soak.stand.redis.client() as client:
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) + soak.dice.randint(0, 100_000))
        await soak.nap(0.5, 4)
        client.config_set("maxmemory", 0)


@fault(standard=True)
async def journals_disk_fails(soak: Soak) -> None:
    stand = soak.stand
    if soak.dice.random() < 0.5:
        stand.disk.break_it()
    else:
        stand.disk.set_free(soak.dice.randint(0, 3000))
    await stand.until("Redis ends", lambda: not stand.redis.running, 30)
    await soak.nap(0, 2)
    stand.disk.cut_power(soak.dice)
    stand.disk.heal()
    stand.start_redis()


@fault(standard=True)
async def postgres_is_away(soak: Soak) -> None:
    how = soak.dice.choice(("kill", "stop", "pause"))
    getattr(soak.stand.postgres, how)()
    try:
        await soak.nap(0.2, 12)
    finally:
        soak.stand.postgres.resume() if how == "pause" else soak.stand.postgres.start()


@fault(standard=True)
async def postgres_ends_backends(soak: Soak) -> None:
    for _ in range(soak.dice.randint(3, 30)):
        soak.stand.terminate_backends()
        await soak.nap(0, 0.15)


@fault(standard=True)
async def redis_link_misbehaves(soak: Soak) -> None:
    await link_misbehaves(soak, soak.stand.redis_link)


@fault(standard=True)
async def postgres_link_misbehaves(soak: Soak) -> None:
    await link_misbehaves(soak, soak.stand.postgres_link)


@fault(standard=True)
async def link_swallows_one_direction(soak: Soak) -> None:
    link = soak.dice.choice((soak.stand.redis_link, soak.stand.postgres_link))
    link.drop(soak.dice.choice((UP, DOWN)))
    await soak.nap(0.5, 8)
    link.heal()
    link.reset_all()


@fault(standard=True)
async def everything_dies(soak: Soak) -> None:
    await soak.daemon.kill()
    soak.stand.lose_power()
    soak.stand.postgres.kill()
    soak.stand.postgres.start()
    soak.stand.start_redis()
    await soak.daemon.start(RECOVERS_S)


@fault(standard=True)
async def an_older_journal_comes_back(soak: Soak) -> None:
    """Everything is archived, and Redis is restored from a copy taken before."""
    stand = soak.stand
    older = soak.folder / "older"
    shutil.rmtree(older, ignore_errors=True)
    await soak.daemon.stop()
    stand.redis.stop()
    shutil.copytree(stand.redis.data, older)
    stand.start_redis()
    await soak.daemon.start(RECOVERS_S)
    await soak.nap(1, 4)
    await soak.daemon.stop()
    if stand.truth.lag() > 0:
        await soak.daemon.start(RECOVERS_S)
        return  # the end was too quick for the archive: this time nothing may be taken away
    stand.redis.kill()
    stand.redis.forget()
    if soak.dice.random() < 0.7:
        shutil.copytree(older, stand.redis.data, dirs_exist_ok=True)
    stand.disk.settle()
    stand.start_redis()
    await soak.daemon.start(RECOVERS_S)


async def link_misbehaves(soak: Soak, link: Proxy) -> None:
    for _ in range(soak.dice.randint(3, 20)):
        await misbehave(soak, link, soak.dice.choice(("cut", "cut", "reset", "stall", "slow", "half", "lossy", "part", "chop")))
        await soak.nap(0.02, 0.4)
    link.heal()


async def misbehave(soak: Soak, link: Proxy, what: str) -> None:
    dice = soak.dice
    if what == "cut":
        link.cut_after[dice.choice((UP, DOWN))] = dice.randint(1, 8000)
    elif what == "reset":
        link.reset_all()
    elif what == "stall":
        direction = dice.choice((UP, DOWN))
        link.hold(direction)
        await soak.nap(0.05, 1)
        link.release(direction)
    elif what == "slow":
        link.delay_s, link.jitter_s = dice.choice(((0, 0), (0.01, 0.03), (0.05, 0.05)))
    elif what == "lossy":
        link.loss, link.stall_s = dice.choice(((0, 0), (0.02, 0.3), (0.2, 0.2)))
    elif what == "half":
        link.half_close(dice.choice((UP, DOWN)))
    elif what == "chop":
        link.chop = dice.choice((0, 1, 100, 1000))
    else:
        link.part()
        await soak.nap(0.1, 1.5)
        link.refusing = False


async def run(arguments: argparse.Namespace, folder: Path, report: Dict[str, Any]) -> None:
    names = arguments.faults.split(",") if arguments.faults else [name for name, (_, standard) in FAULTS.items() if arguments.store == "standard" or not standard]
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        raise SystemExit(f"there is no fault {unknown[0]}; see --list")
    end = time.monotonic() + arguments.minutes * 60
    rounds: Counter = Counter()
    report["rounds"] = rounds
    report["chapters"] = chapters = []
    async with Soak(folder, arguments.seed, arguments.store) as soak, Watch(soak.daemon, 1.0) as watch:
        while time.monotonic() < end:
            chapter_end = min(end, time.monotonic() + arguments.chapter)
            await soak.begin_chapter(len(chapters))
            while time.monotonic() < chapter_end:
                name = soak.dice.choice(names)
                report["last_fault"] = name
                print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
                await soak.nap(0, 2)
                await FAULTS[name][0](soak)
                await soak.recovered()
                rounds[name] += 1
            verdict = await soak.end_chapter()
            chapters.append({"acks": verdict.acks, "entries": verdict.entries, "shown": verdict.shown, "violations": verdict.violations[:50]})
            report.update(restarts=soak.restarts, rss_mib_max=watch.rss_max >> 20, fds_max=watch.fds_max)
            print(f"{time.strftime('%H:%M:%S')} chapter {len(chapters)}: {verdict}", flush=True)
            if not verdict.ok:
                raise AssertionError(str(verdict))


def main() -> int:
    parser = argparse.ArgumentParser(description="Hours of random faults over a live load.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--store", choices=("standard", "embedded"), default="standard")
    parser.add_argument("--faults", default="", help="only these, separated by commas")
    parser.add_argument("--chapter", type=float, default=120, help="seconds between two judgements")
    parser.add_argument("--report", type=Path, default=Path("build/test-results/soak.json"))
    parser.add_argument("--list", action="store_true", help="the faults there are")
    arguments = parser.parse_args()
    if arguments.list:
        for name, (_, standard) in FAULTS.items():
            print(name, "(standard store)" if standard else "")
        return 0
    again = f"{sys.argv[0]} --minutes {arguments.minutes:g} --seed {arguments.seed} --store {arguments.store} --chapter {arguments.chapter:g}"
    again += f" --faults {arguments.faults}" if arguments.faults else ""
    print(f"seed {arguments.seed}\nagain: {again}", flush=True)
    report: Dict[str, Any] = {"seed": arguments.seed, "store": arguments.store, "minutes": arguments.minutes, "again": again, "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    folder = Path(tempfile.mkdtemp(prefix="parley-soak-"))
    began = time.monotonic()
    failure = ""
    try:
        asyncio.run(run(arguments, folder, report))
        shutil.rmtree(folder, ignore_errors=True)
    except (AssertionError, OSError, TimeoutError, asyncio.TimeoutError) as wrong:
        failure = str(wrong) or repr(wrong)
        print(f"FAILED after {report.get('last_fault')}: {failure}\nhistory and logs: {folder}\nagain: {again}", file=sys.stderr)
    finally:
        chapters: List[Dict[str, Any]] = report.get("chapters", [])
        report.update(
            seconds=round(time.monotonic() - began, 1), acks=sum(c["acks"] for c in chapters), entries=sum(c["entries"] for c in chapters),
            shown=sum(c["shown"] for c in chapters), verdict="failed" if failure else "sound", failure=failure[:4000],
        )
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"{report['verdict']}: {sum(report.get('rounds', {}).values())} faults, {report['acks']} acks, {report['entries']} entries, {report['shown']} shown; {arguments.report}")
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
