"""The daemon is killed under a crowd, and everybody comes back at once."""
import os
import resource

import pytest
from crowd import Crowd
from load import Load
from parley_test.history import History
from parley_test.plugin import scale
from parley_test.site import Site
from stores import both_stores

GUESTS = scale(1500, 15_000)
MORE_MEMORY = 64 << 20


@pytest.fixture
def many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@both_stores
@pytest.mark.timeout(scale(180, 900))
async def test_everybody_comes_back_after_a_kill_and_nobody_reads_what_they_have(stopped_daemon, tmp_path, many_files, seed, store) -> None:
    daemon = stopped_daemon
    daemon.settings["session"].update(visitor_ping="20s", visitor_grace="20s", handshakes_per_second=500, hello="5s")
    daemon.settings["log"]["level"] = "info"
    await daemon.start()
    site = await Site.make(daemon, History(tmp_path / "history.jsonl"))
    load = await Load(site, visitors=3, agents=1, seed=seed).start()
    crowd = Crowd(site, GUESTS, seed)
    await crowd.come()
    archive_reads = reads_of_messages(daemon) if store == "standard" else 0
    memory, files = daemon.rss_bytes(), descriptors(daemon.process.pid)
    rounds = scale(2, 5)
    for _ in range(rounds):
        await load.more_acks(50)
        heads = [guest.head for guest in crowd.guests]
        await daemon.kill()
        await daemon.start()
        await crowd.until(lambda: crowd.live == GUESTS, 60, "everybody is back")
        await load.more_acks(50, timeout=60)
        assert [guest.head for guest in crowd.guests] == heads, "who has everything is sent nothing"
        assert daemon.rss_bytes() < memory + MORE_MEMORY
        assert descriptors(daemon.process.pid) <= files + 64
    if store == "standard":
        read = reads_of_messages(daemon) - archive_reads
        assert read < rounds * GUESTS / 2, f"{read} reads of archived messages, most of them for people who have everything"
    crowd.leave()
    verdict = await load.judge()
    assert verdict.ok, str(verdict)
    entries = [entry for entry in daemon.reader().entries() if entry.conv in {guest.conv for guest in crowd.guests} and entry.seq]
    assert len(entries) == GUESTS, "each guest said one thing, once"


def reads_of_messages(daemon) -> int:
    """How often PostgreSQL looked something up in the table of messages."""
    rows = daemon.reader().query("select coalesce(sum(idx_scan + seq_scan), 0) from pg_stat_user_tables where relname ~ '^message_([0-9]|default)'")
    return int(rows[0][0])
