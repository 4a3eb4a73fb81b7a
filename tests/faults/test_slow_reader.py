"""Somebody does not read what they are sent: nobody else notices, memory stays bounded, and they have everything once they read again."""
import asyncio

import pytest
from load import Load
from parley_test.client import Client
from parley_test.daemon import Daemon
from parley_test.history import History
from parley_test.plugin import scale
from parley_test.site import Site
from stores import both_stores

LONG = "字" * 3900  # about 12 KB on the wire
LAGGED = "session_lagging"
CLOSED_AS_SLOW = "code=4002"
MEMORY_MAX = 24 << 20


class Pair:
    """A visitor with an agent who tells long stories, while a load of others goes on."""

    def __init__(self, daemon: Daemon, site: Site, load: Load, visitor: Client, agent: Client) -> None:
        self.daemon, self.site, self.load, self.visitor, self.agent = daemon, site, load, visitor, agent
        self.stop = asyncio.Event()

    @classmethod
    async def make(cls, daemon: Daemon, tmp_path, seed: int) -> "Pair":
        daemon.settings["session"].update(no_progress="2s", visitor_ping="30s", agent_ping="30s")
        await daemon.start()
        site = await Site.make(daemon, History(tmp_path / "history.jsonl"))
        load = await Load(site, visitors=3, agents=1, seed=seed).start()
        visitor, agent = await site.visitor("slow"), await site.agent("Storyteller")
        visitor.keep_frames = agent.keep_frames = False
        await visitor.tell("hello")
        await agent.watch(visitor.own)
        return cls(daemon, site, load, visitor, agent)

    async def tell_stories(self, count: int) -> None:
        """In pieces of one window of unanswered sends, so that the test's own memory stays small too."""
        for i in range(0, count, 16):
            await asyncio.gather(*(self.agent.tell(f"{j} {LONG}", self.visitor.own, timeout=30) for j in range(i, min(i + 16, count))))

    async def until_logged(self, words: str, timeout: float = 20) -> None:
        end = asyncio.get_running_loop().time() + timeout
        while words not in self.daemon.log():
            assert asyncio.get_running_loop().time() < end, f"{words} is not in the log after {timeout} s\n{self.daemon.tail()}"
            await asyncio.sleep(0.05)

    async def judge(self) -> None:
        head, _ = self.daemon.reader().heads()[self.visitor.own]
        await self.visitor.shown(seq=head, timeout=30)
        await self.agent.shown(self.visitor.own, head, timeout=30)
        await self.visitor.settled()
        await self.load.come_to_rest()
        self.visitor.finish()
        self.agent.finish()
        self.stop.set()
        verdict = await self.load.judge(rest=False)
        assert verdict.ok, str(verdict)


@both_stores
@pytest.mark.timeout(120)
async def test_who_reads_again_in_time_gets_lag_and_fetches_the_rest(stopped_daemon, tmp_path, seed, store) -> None:
    pair = await Pair.make(stopped_daemon, tmp_path, seed)
    pair.visitor.keep_frames = True
    pair.visitor.wire.stop_reading()
    stories = asyncio.ensure_future(pair.tell_stories(200))
    await pair.until_logged(LAGGED)
    pair.visitor.wire.read_again()
    await pair.visitor.wire.expect("lag")
    await stories
    await pair.judge()
    assert pair.visitor.wire.alive, "it read again in time, and keeps its connection"


@both_stores
@pytest.mark.timeout(120)
async def test_who_reads_no_more_is_closed_as_slow_and_converges_after_resume(stopped_daemon, tmp_path, seed, store) -> None:
    pair = await Pair.make(stopped_daemon, tmp_path, seed)
    pair.visitor.wire.stop_reading()
    stopped = pair.visitor.wire
    await pair.tell_stories(100)
    await pair.until_logged(CLOSED_AS_SLOW)
    stopped.read_again()
    code, _ = await stopped.ended()
    assert code in (4002, 1006), "the goodbye may have found no place behind what was queued"
    await pair.visitor.connect()
    await pair.judge()


@pytest.mark.timeout(scale(120, 600))
async def test_memory_stays_bounded_and_others_go_on(stopped_daemon, tmp_path, seed) -> None:
    pair = await Pair.make(stopped_daemon, tmp_path, seed)
    await pair.tell_stories(scale(320, 800))  # caches and pools are warm
    await pair.visitor.shown(seq=scale(320, 800))
    before = stopped_daemon.rss_bytes()
    pair.visitor.wire.stop_reading()
    others = pair.load.acks()
    peak = 0
    for _ in range(scale(8, 40)):
        await pair.tell_stories(160)
        peak = max(peak, stopped_daemon.rss_bytes())
    assert pair.load.acks() > others, "the others' messages flow meanwhile"
    await pair.until_logged(CLOSED_AS_SLOW)
    assert peak - before < MEMORY_MAX, f"{(peak - before) >> 20} MiB more, for {scale(8, 40) * 160 * len(LONG.encode()) >> 20} MiB that were not read"
    pair.visitor.wire.read_again()
    await pair.visitor.wire.ended()
    await pair.visitor.connect()
    await pair.judge()


@pytest.mark.timeout(120)
async def test_answers_are_not_dropped_with_the_entries(stopped_daemon, tmp_path, seed) -> None:
    """A slow reader's queued entries are dropped, the answers to what it asked are not: it would wait for them until its next connection."""
    pair = await Pair.make(stopped_daemon, tmp_path, seed)
    pair.visitor.wire.stop_reading()
    stories = asyncio.ensure_future(pair.tell_stories(200))
    sends = [pair.visitor.say(f"still there? {i}") for i in range(10)]
    await pair.visitor.wire.send({"t": "sync", "id": 77, "conv": pair.visitor.own, "after": 0, "limit": 100})
    await pair.until_logged(LAGGED)
    pair.visitor.wire.read_again()
    await asyncio.wait_for(asyncio.gather(*sends), 10)
    await stories
    await pair.judge()



@pytest.mark.timeout(120)
async def test_who_asks_and_never_reads_the_answers_is_closed(stopped_daemon, tmp_path, seed) -> None:
    """Pages are outside of the window; without a limit of their own a few hundred requests would hold hundreds of megabytes."""
    pair = await Pair.make(stopped_daemon, tmp_path, seed)
    await pair.tell_stories(112)
    await pair.agent.shown(pair.visitor.own, 113)
    await pair.load.come_to_rest()
    before = stopped_daemon.rss_bytes()
    greedy = await pair.site.visitor("greedy", visitor=pair.visitor.person)
    greedy.wire.stop_reading()
    for _ in range(300):
        await greedy.wire.send({"t": "sync", "conv": pair.visitor.own, "after": 0, "limit": 100})
    peak, gone = 0, greedy.who + " code=4002"
    while gone not in stopped_daemon.log():
        peak = max(peak, stopped_daemon.rss_bytes())
        await asyncio.sleep(0.01)
    peak = max(peak, stopped_daemon.rss_bytes())
    assert peak - before < 64 << 20, f"{(peak - before) >> 20} MiB more"
    greedy.wire.cut()
    await greedy.close()
    if not pair.visitor.wire.alive:
        await pair.visitor.connect()
    await pair.judge()
