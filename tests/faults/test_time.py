"""The process stands still for a while, or the clock jumps: order comes from seq alone, and everybody converges."""
import asyncio
import random
import shutil
import signal
import struct
import subprocess
from pathlib import Path

import pytest
from load import Load
from parley_test.history import History
from parley_test.plugin import scale
from parley_test.site import Site
from stores import both_stores


@both_stores
@pytest.mark.timeout(scale(120, 600))
async def test_a_stopped_process_goes_on_where_it_stood(daemon, tmp_path, seed, store) -> None:
    """Longer than ping and grace (2 s + 2 s) the second time, and than the lease of the standard store: connections may be gone afterwards, messages are not."""
    load = await Load(await Site.make(daemon, History(tmp_path / "history.jsonl")), seed=seed).start()
    dice = random.Random(seed)
    stat = Path(f"/proc/{daemon.process.pid}/stat")
    try:
        for seconds in (dice.uniform(0.5, 1.5), 5, *(dice.uniform(0.1, 6) for _ in range(scale(0, 10)))):
            await load.more_acks(50)
            daemon.signal(signal.SIGSTOP)
            while stat.read_text(encoding="ascii").rpartition(")")[2].split()[0] != "T":
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.2)  # Redis may still be storing what it was sent
            stored = len(daemon.reader().entries())
            await asyncio.sleep(seconds)
            assert len(daemon.reader().entries()) == stored, "it stood still"
            daemon.signal(signal.SIGCONT)
        await load.more_acks(50)
        verdict = await load.judge()
    finally:
        daemon.signal(signal.SIGCONT)
    assert verdict.ok, str(verdict)


@pytest.fixture
def jumping_clock(stopped_daemon, tmp_path):
    """set(seconds): the daemon's wall clock is wrong by so much from now on."""
    library, page = tmp_path / "clock_shim.so", tmp_path / "clock"
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang-14")
    assert compiler, "needs a C compiler, as the build does"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, Path(__file__).with_name("clock_shim.c"), "-ldl"], check=True)

    def set_offset(seconds: int) -> None:
        with open(page, "r+b" if page.exists() else "w+b") as out:
            out.write(struct.pack("=q", seconds))

    set_offset(0)
    stopped_daemon.env.update(LD_PRELOAD=str(library), PARLEY_CLOCK_FILE=str(page))
    return set_offset


@both_stores
@pytest.mark.timeout(scale(120, 600))
async def test_the_wall_clock_jumps(stopped_daemon, tmp_path, jumping_clock, seed, store) -> None:
    daemon = stopped_daemon
    await daemon.start()
    load = await Load(await Site.make(daemon, History(tmp_path / "history.jsonl")), seed=seed).start()
    hour = 3600
    for _ in range(scale(1, 5)):
        for offset in (hour, -hour, 0):
            await load.more_acks(100)
            jumping_clock(offset)
            await load.more_acks(100)
            await daemon.kill()  # ids and tokens must stand a restart in another hour, too
            await daemon.start()
    verdict = await load.judge()
    assert verdict.ok, str(verdict)
    entries = [entry for entry in daemon.reader().entries() if entry.seq is not None]
    assert len({entry.id for entry in entries}) == len(entries), "ids stay unique when the clock is turned back"
    assert max(entry.ts_ns for entry in entries) - entries[-1].ts_ns > 0.9 * hour * 10**9, "the daemon's clock did jump"
