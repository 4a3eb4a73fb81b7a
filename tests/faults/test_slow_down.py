"""Whoever sends while the journal takes nothing is asked to pause, once for each pause; what was refused is stored afterwards, once and in order."""
import asyncio
import time
from typing import List

import pytest
from parley_test.site import Site
from parley_test.wire import Wire
from stand import Stand


async def say(wire: Wire, n: int) -> int:
    """Sends without waiting for the answer; the id of the request."""
    number = wire.next_id
    wire.next_id += 1
    conv = wire.ready["conv"]["conv"]  # type: ignore[attr-defined]
    await wire.send({"t": "send", "id": number, "conv": conv, "n": n, "type": "text", "body": {"text": f"message {n}"}})
    return number


async def settle(wires: List[Wire], n: int) -> None:
    """Everybody's `n`, which may have been refused or may be on its way, is repeated until it is acknowledged, as clients do it."""
    deadline = time.monotonic() + 20
    for wire in wires:
        while True:
            number = await say(wire, n)
            answer = await wire.expect("ack", "error", where=lambda f, number=number, n=n: f.get("re") == number or (f["t"] == "ack" and f["n"] == n))
            if answer["t"] == "ack":
                assert answer["seq"] == n
                break
            assert answer["retry"] and time.monotonic() < deadline, answer
            await asyncio.sleep(0.05)


@pytest.mark.timeout(90)
async def test_senders_are_asked_to_pause_while_redis_stands_still(tmp_path, seed) -> None:
    async with Stand(tmp_path, seed) as stand:
        await stand.daemon.start()
        site = await Site.make(stand.daemon, stand.history)
        wires = [await site.wire() for _ in range(8)]
        for wire in wires:
            await say(wire, 1)
            await wire.expect("ack")
        silent = wires.pop()
        stand.redis.pause()
        for wire in wires:  # what is under way when Redis stops hears nothing; all that comes later is refused
            await say(wire, 2)
            await asyncio.sleep(0.05)
        refused = []
        for wire in wires:
            try:
                error = await wire.expect("error", timeout=5)
            except AssertionError:
                continue
            assert error["code"] == "journal_down" and error["n"] == 2
            slow = await wire.expect("slow")
            assert slow == {"t": "slow", "pause_ms": error["after_ms"]}
            refused.append(wire)
        assert refused, "nobody was refused within 5 s"
        begin = time.monotonic()
        one, asked = refused[0], 0
        while time.monotonic() < begin + 3:  # it does not listen
            number = await say(one, 2)
            answer = await one.expect("error", where=lambda f, number=number: f.get("re") == number)
            assert answer["retry"], "a pause changes nothing about answers"
            asked += len(one.take("slow"))
            await asyncio.sleep(0.02)
        assert 2 <= asked <= 4, f"asked {asked} times in 3 s to pause for a second"
        stand.redis.resume()
        await settle(wires, 2)
        await silent.barrier()
        assert not silent.take("slow"), "who sends nothing is not asked"


@pytest.mark.timeout(90)
async def test_senders_are_asked_to_pause_while_the_journal_is_full(tmp_path, seed) -> None:
    async with Stand(tmp_path, seed) as stand:
        stand.daemon.settings["redis"]["backlog_bytes_max"] = 1 << 20
        load = await stand.begin(visitors=4)
        wire = await stand.site.wire()
        await say(wire, 1)
        await wire.expect("ack")
        stand.postgres.kill()
        await stand.until("the journal is full", lambda: "journal_full" in stand.codes(), timeout=60)
        await say(wire, 2)
        error = await wire.expect("error")
        assert error["code"] == "journal_full"
        assert await wire.expect("slow") == {"t": "slow", "pause_ms": error["after_ms"]}
        stand.postgres.start()
        await stand.until_ready_is(200, timeout=30)
        await settle([wire], 2)
        await load.more_acks(20)
        await stand.sound()
