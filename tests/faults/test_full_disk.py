"""The disk fills up and is freed again."""
import asyncio
import os
import subprocess

import pytest
from checker import check
from parley_test.history import History
from parley_test.site import Site
from parley_test.store import StoreReader


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MiB for the data folder: needs root, as the test machines give it."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.fail(f"mount needs root: {done.stderr}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.mark.store("embedded")
@pytest.mark.timeout(120)
async def test_a_full_disk_refuses_with_507_keeps_reading_and_recovers_by_itself(stopped_daemon, small_disk, tmp_path) -> None:
    stopped_daemon.data = small_disk / "data"
    stopped_daemon.settings["store"]["folder"] = str(stopped_daemon.data)
    await stopped_daemon.start()
    site = await Site.make(stopped_daemon, History(tmp_path / "history.jsonl"))
    visitor, agent = await site.visitor("visitor"), await site.agent()
    await visitor.tell("hello")
    await agent.watch(visitor.own)
    ballast = small_disk / "ballast"
    with open(ballast, "wb") as file:
        left = os.statvfs(small_disk)
        file.write(b"\0" * (left.f_bavail * left.f_frsize - (256 << 10)))
    sends = [visitor.say(f"{i} " + os.urandom(1900).hex()) for i in range(300)]
    for _ in range(1000):
        if any(e["ev"] == "error" and e["code"] == "journal_full" for e in site.history.events):
            break
        await asyncio.sleep(0.02)
    else:
        raise AssertionError("no 507 though the disk is full")
    page = await agent.wire.request({"t": "sync", "conv": visitor.own, "after": 0, "limit": 10}, "page")
    assert page["items"], "reading goes on"
    assert stopped_daemon.running
    ballast.unlink()
    await asyncio.wait_for(asyncio.gather(*sends), 60)
    await visitor.shown(seq=301, timeout=20)
    await agent.shown(visitor.own, 301, timeout=20)
    for client in (visitor, agent):
        client.finish()
    verdict = check(site.history, StoreReader(stopped_daemon.data).entries())
    assert verdict.ok, str(verdict)
    assert await stopped_daemon.stop() == 0
