"""The network between a client and the daemon misbehaves."""
import asyncio
import random

import pytest
from checker import check
from load import Load
from parley_test.history import History
from parley_test.plugin import scale
from parley_test.proxy import DOWN, UP, Proxy
from parley_test.site import Site
from stores import both_stores


def through(proxy: Proxy) -> str:
    return f"ws://127.0.0.1:{proxy.port}/ws"


@both_stores
@pytest.mark.timeout(scale(120, 600))
async def test_connections_reset_in_the_middle_of_frames(daemon, tmp_path, seed, store) -> None:
    dice = random.Random(seed)
    async with Proxy(daemon.port) as proxy:
        load = await Load(await Site.make(daemon, History(tmp_path / "history.jsonl")), url=through(proxy), seed=seed).start()
        for _ in range(scale(30, 300)):
            proxy.cut_after[dice.choice((UP, DOWN))] = dice.randint(1, 4000)
            await asyncio.sleep(dice.uniform(0.01, 0.1))
        proxy.cut_after = {UP: None, DOWN: None}
        verdict = await load.judge()
    assert verdict.ok, str(verdict)
    assert proxy.accepted > 20, "the cuts made them reconnect"


@both_stores
@pytest.mark.timeout(scale(120, 600))
async def test_delay_stalls_and_sudden_resets(daemon, tmp_path, seed, store) -> None:
    dice = random.Random(seed)
    async with Proxy(daemon.port) as proxy:
        proxy.delay_s = 0.03
        load = await Load(await Site.make(daemon, History(tmp_path / "history.jsonl")), url=through(proxy), seed=seed).start()
        for _ in range(scale(15, 100)):
            what = dice.choice(("stall", "reset", "slow"))
            if what == "stall":
                direction = dice.choice((UP, DOWN))
                proxy.hold(direction)
                await asyncio.sleep(dice.uniform(0.05, 0.3))
                proxy.release(direction)
            elif what == "reset":
                proxy.reset_all()
            else:
                proxy.delay_s = dice.choice((0.0, 0.01, 0.08))
            await asyncio.sleep(dice.uniform(0.05, 0.15))
        verdict = await load.judge()
    assert verdict.ok, str(verdict)


@both_stores
async def test_a_lost_ack_is_given_again_after_the_reconnect(daemon, tmp_path, store) -> None:
    site = await Site.make(daemon, History(tmp_path / "history.jsonl"))
    async with Proxy(daemon.port) as proxy:
        visitor = await site.visitor("visitor", url=through(proxy))
        await visitor.tell("hello")
        proxy.drop(DOWN)
        answer = visitor.say("was I heard?")
        while len(daemon.reader().entries()) < 2:
            await asyncio.sleep(0.01)
        proxy.reset_all()
        proxy.drop()
        await visitor.connect()
        ack = await asyncio.wait_for(answer, 10)
        assert ack["dup"] is True and ack["seq"] == 2
        await visitor.shown(seq=2)
        visitor.finish()
    verdict = check(site.history, daemon.reader().entries())
    assert verdict.ok, str(verdict)


async def test_a_client_that_closed_its_sending_side_is_let_go(daemon) -> None:
    site = await Site.make(daemon)
    async with Proxy(daemon.port) as proxy:
        visitor = await site.visitor("visitor", url=through(proxy))
        await visitor.tell("hello")
        proxy.half_close(UP)
        await visitor.wire.ended(10)
        await visitor.connect()
        await visitor.tell("again")


async def test_a_half_open_client_is_noticed_and_superseded(daemon) -> None:
    """The client is gone without a goodbye: the server frees it after ping and grace; a newcomer with the same sid need not wait for that."""
    site = await Site.make(daemon)
    async with Proxy(daemon.port) as proxy:
        visitor = await site.visitor("visitor", url=through(proxy))
        await visitor.tell("hello")
        proxy.drop(UP, DOWN)
        visitor.url = daemon.ws
        sid = visitor.ready["sid"]
        await visitor.connect()
        assert visitor.ready["sid"] == sid and visitor.ready["gen"] == 2
        await visitor.tell("from the new socket")


async def test_a_client_that_went_silent_is_closed_after_ping_and_grace(daemon) -> None:
    site = await Site.make(daemon)
    async with Proxy(daemon.port) as proxy:
        visitor = await site.visitor("visitor", url=through(proxy))
        await visitor.tell("hello")
        agent = await site.agent()
        await agent.watch(visitor.own)
        began = asyncio.get_running_loop().time()
        proxy.drop(UP)
        code, _ = await visitor.wire.ended(10)
        took = asyncio.get_running_loop().time() - began
        assert code == 4003
        assert 1.5 < took < 9, f"interval 2 s + grace 2 s, and up to 3 s for the goodbye; took {took:.1f} s"
