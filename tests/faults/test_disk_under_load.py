"""The disk is full while many write: senders are told so, nothing acknowledged is lost, reading goes on, and the service comes back by itself when there is space."""
import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any, Dict, Tuple

import aiohttp
import pytest
from load import Load
from parley_test.daemon import Daemon
from parley_test.history import History
from parley_test.plugin import scale
from parley_test.site import Site


@pytest.fixture
def small_disk(stopped_daemon: Daemon):
    """The daemon's data folder on a file system of 24 MiB."""
    folder = stopped_daemon.data
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(folder)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.fail(f"needs the right to mount: {mounted.stderr.strip()}")
    yield folder
    asyncio.run(stopped_daemon.dispose())
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all that is left."""
    ballast = folder / "ballast"
    with open(ballast, "ab", buffering=0) as out:
        for size in (1 << 20, 4096):
            try:
                while True:
                    out.write(bytes(size))
            except OSError:
                pass
    return ballast


async def readiness(daemon: Daemon) -> Tuple[int, Dict[str, Any]]:
    async with aiohttp.ClientSession() as http:
        async with http.get(daemon.ops + "/readyz") as answer:
            return answer.status, await answer.json()


async def until_ready_is(daemon: Daemon, status: int, timeout: float = 15) -> Dict[str, Any]:
    end = asyncio.get_running_loop().time() + timeout
    while True:
        now, body = await readiness(daemon)
        if now == status:
            return body
        assert asyncio.get_running_loop().time() < end, f"/readyz still says {now} {body} after {timeout} s\n{daemon.tail()}"
        await asyncio.sleep(0.05)


@pytest.mark.store("embedded")
@pytest.mark.timeout(scale(120, 600))
async def test_only_sending_stops(stopped_daemon, small_disk, tmp_path, seed) -> None:
    daemon = stopped_daemon
    await daemon.start()
    site = await Site.make(daemon, History(tmp_path / "history.jsonl"))
    load = await Load(site, visitors=4, agents=2, seed=seed).start()
    for _ in range(scale(2, 10)):
        await load.more_acks(50)
        ballast = fill(small_disk)
        refused = site.history.count("error")
        reasons = (await until_ready_is(daemon, 503))["reasons"]
        assert any("journal" in r and "full" in r for r in reasons), reasons
        while site.history.count("error") < refused + 5:
            await asyncio.sleep(0.02)
        codes = {e["code"] for e in site.history.events if e["ev"] == "error"}
        assert "journal_full" in codes and codes <= {"journal_full", "out_of_order", "busy"}, codes  # busy: while what came before is being refused

        # Reading goes on: a page, a list, and a visitor who comes anew.
        reader = load.agents[0]
        page = await reader.wire.request({"t": "sync", "conv": load.visitors[0].own, "after": 0, "limit": 10}, "page")
        assert [e["seq"] for e in page["items"]] == list(range(1, 11))
        lists = [await reader.wire.request({"t": "watch", "view": view}, "rows") for view in ("open", "closed")]
        assert any(shown["rows"] for shown in lists), "agents may just have closed all of them"
        wire = await site.wire()
        assert wire.ready["conv"]["status"] == "new"
        await wire.send({"t": "send", "conv": wire.ready["conv"]["conv"], "n": 1, "type": "text", "body": {"text": "hello"}})
        error = await wire.expect("error")
        assert (error["status"], error["code"], error["retry"]) == (507, "journal_full", True) and error["after_ms"] > 0
        await wire.close()

        acks = load.acks()
        os.remove(ballast)
        await until_ready_is(daemon, 200)
        while load.acks() < acks + 20:  # by itself, on the same connections
            await asyncio.sleep(0.02)
    assert site.history.count("closed") == 0, "nobody lost the connection"
    verdict = await load.judge()
    assert verdict.ok, str(verdict)


@pytest.mark.store("embedded")
@pytest.mark.timeout(scale(120, 600))
async def test_killed_while_the_disk_is_full(stopped_daemon, small_disk, tmp_path, seed) -> None:
    """It may not be able to start before there is space again; what was acknowledged is there then."""
    daemon = stopped_daemon
    await daemon.start()
    load = await Load(await Site.make(daemon, History(tmp_path / "history.jsonl")), visitors=3, agents=1, seed=seed).start()
    for _ in range(scale(1, 10)):
        await load.more_acks(50)
        ballast = fill(small_disk)
        await until_ready_is(daemon, 503)
        await daemon.kill()
        os.remove(ballast)
        await daemon.start()
        await load.more_acks(20)
    verdict = await load.judge()
    assert verdict.ok, str(verdict)
