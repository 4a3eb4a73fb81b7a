"""One site sends many times what it may, and the clock jumps meanwhile: the people of another site are refused nothing."""
import asyncio
from collections import Counter
from typing import List

import pytest
from load import Load
from parley_test.history import History
from parley_test.plugin import scale
from parley_test.site import Site
from parley_test.wire import Wire
from stores import both_stores
from test_time import jumping_clock  # noqa: F401

QUOTA = 300  # messages a second of one site
WINDOW = 16  # sends on their way, of one sender
PEOPLE = 8


class Noise:
    """People who send as fast as their windows allow, and heed no refusal. `codes` counts the answers."""

    def __init__(self, wires: List[Wire]) -> None:
        self.codes: Counter = Counter()
        self._wires = wires
        self._over = False
        self._tasks = [asyncio.ensure_future(self._shout(wire)) for wire in wires]

    async def _shout(self, wire: Wire) -> None:
        conv, n, seq = wire.ready["conv"]["conv"], 1, 0  # type: ignore[attr-defined]
        while not self._over:
            await wire.send(*({"t": "send", "conv": conv, "n": n + i, "type": "text", "body": {"text": "LOUD " * 20}} for i in range(WINDOW)))
            for _ in range(WINDOW):
                answer = await wire.expect("ack", "error")
                self.codes[answer.get("code", "ack")] += 1
                if answer["t"] == "ack":
                    n, seq = answer["n"] + 1, answer["seq"]
            wire.inbox.clear()
            if seq:
                await wire.send({"t": "rcv", "conv": conv, "upto": seq})

    async def end(self) -> None:
        self._over = True
        await asyncio.gather(*self._tasks)
        for wire in self._wires:
            wire.cut()


@both_stores
@pytest.mark.timeout(scale(120, 600))
async def test_a_site_beyond_its_quota_is_refused_alone(stopped_daemon, tmp_path, jumping_clock, seed, store) -> None:  # noqa: F811
    daemon = stopped_daemon
    daemon.settings["session"].update(tenant_sends_per_second=QUOTA, visitor_ping="20s", visitor_grace="20s")
    daemon.settings["log"]["level"] = "info"
    await daemon.start()
    quiet = await Site.make(daemon, History(tmp_path / "history.jsonl"), "quiet")
    load = await Load(quiet, visitors=3, agents=1, seed=seed, pause_s=0.15, edits=False).start()
    await load.more_acks(50)
    memory = daemon.rss_bytes()
    loud = await Site.make(daemon, slug="loud")
    noise = Noise([await loud.wire() for _ in range(PEOPLE)])
    for offset in (3600, -3600, 0) * scale(1, 5):
        await load.more_acks(100)
        jumping_clock(offset)
    await load.more_acks(100)
    await noise.end()
    answers = noise.codes
    assert answers["rate"] > 0 and set(answers) <= {"ack", "rate", "out_of_order"}, answers
    assert answers["rate"] + answers["out_of_order"] > 9 * answers["ack"], f"it was not ten times beyond its quota: {answers}"
    refusals = [event for event in quiet.history.events if event["ev"] in ("error", "refused") and event.get("code") == "rate"]
    assert not refusals, f"the quiet site pays for the loud one: {refusals[:3]}"
    assert daemon.rss_bytes() < memory + (32 << 20)
    verdict = await load.judge()
    assert verdict.ok, str(verdict)
