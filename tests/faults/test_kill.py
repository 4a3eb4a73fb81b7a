"""The process dies, at random moments and at the worst ones: nothing acknowledged is lost, doubled or out of order."""
import asyncio
import random

import pytest
from checker import check
from load import Load, start_under_fire
from parley_test.daemon import Daemon
from parley_test.history import History
from parley_test.plugin import scale
from parley_test.site import Site
from stores import both_stores

POINTS = ["session.after_decode", "journal.before_commit", "journal.after_commit", "session.before_ack", "session.before_fanout"]


async def begin(daemon: Daemon, tmp_path, **load) -> Load:
    await daemon.start()
    site = await Site.make(daemon, History(tmp_path / "history.jsonl"))
    return await Load(site, **load).start()


@both_stores
@pytest.mark.timeout(scale(120, 900))
async def test_sigkill_at_random_moments(stopped_daemon, tmp_path, seed, store) -> None:
    random.seed(seed)
    load = await begin(stopped_daemon, tmp_path, seed=seed)
    for _ in range(scale(20, 100)):
        await load.more_acks(20)
        await asyncio.sleep(random.uniform(0, 0.2))
        await stopped_daemon.kill()
        await stopped_daemon.start()
    verdict = await load.judge()
    assert verdict.ok, str(verdict)
    assert verdict.acks > scale(20, 100) * 20


@both_stores
@pytest.mark.timeout(scale(120, 900))
@pytest.mark.parametrize("point", POINTS)
async def test_sigkill_at_a_fault_point(stopped_daemon, tmp_path, point, seed, store) -> None:
    dice = random.Random(seed)
    load = await begin(stopped_daemon, tmp_path, seed=seed)
    kills = 0
    for _ in range(scale(3, 20)):
        await load.more_acks(10)
        await stopped_daemon.kill()
        stopped_daemon.env["PARLEY_FAULT"] = f"{point}:kill:{dice.randint(1, 60)}"
        if await start_under_fire(stopped_daemon):
            assert await stopped_daemon.wait(30) == -9, "the fault point was never reached"
        kills += 1
        del stopped_daemon.env["PARLEY_FAULT"]
        await stopped_daemon.start()
    verdict = await load.judge()
    assert verdict.ok, str(verdict)
    assert kills == scale(3, 20)


@pytest.mark.store("embedded")
@pytest.mark.timeout(scale(120, 600))
async def test_power_loss_at_random_moments(stopped_daemon, tmp_path, seed) -> None:
    """The test VFS drops at the kill what was written and not synced."""
    stopped_daemon.env["PARLEY_TEST_VFS"] = "power_loss"
    random.seed(seed)
    load = await begin(stopped_daemon, tmp_path, seed=seed)
    for _ in range(scale(8, 60)):
        await load.more_acks(20)
        await asyncio.sleep(random.uniform(0, 0.1))
        await stopped_daemon.kill()
        await stopped_daemon.start()
    verdict = await load.judge()
    assert verdict.ok, str(verdict)


@both_stores
@pytest.mark.timeout(120)
async def test_an_orderly_restart_under_load_loses_nothing(stopped_daemon, tmp_path, seed, store) -> None:
    stopped_daemon.settings["server"]["drain"] = "500ms"
    load = await begin(stopped_daemon, tmp_path, seed=seed)
    for _ in range(scale(3, 10)):
        await load.more_acks(30)
        assert await stopped_daemon.stop() == 0
        await stopped_daemon.start()
    verdict = await load.judge()
    assert verdict.ok, str(verdict)


# ---- the judge must notice what is deliberately broken ----


async def broken_run(daemon: Daemon, tmp_path, env: dict, fault: str) -> str:
    """A run of a broken daemon under kills; the verdict in words, or the client's complaint if it does not even come to rest."""
    daemon.env.update(env)
    load = await begin(daemon, tmp_path, visitors=4, agents=1)
    rest = ""
    try:
        for i in range(6):
            await load.more_acks(10, timeout=8)
            await daemon.kill()
            if fault:
                daemon.env["PARLEY_FAULT"] = f"{fault}:kill:{5 + i}"
                if await start_under_fire(daemon):
                    await daemon.wait(30)
                del daemon.env["PARLEY_FAULT"]
            await daemon.start()
        await load.come_to_rest(8)
    except AssertionError as failure:
        rest = f"does not come to rest: {failure}\n"
    verdict = await load.judge(rest=False)
    return rest + ("" if verdict.ok else str(verdict))


@pytest.mark.store("embedded")  # the other store's wrong builds: test_store_broken.py
@pytest.mark.timeout(120)
async def test_the_judge_notices_skipped_dedup(stopped_daemon, tmp_path) -> None:
    words = await broken_run(stopped_daemon, tmp_path, {"PARLEY_BREAK": "skip_dedup"}, "session.before_ack")
    assert "I2: " in words, f"a build without dedup passed: {words}"


@pytest.mark.store("embedded")
@pytest.mark.timeout(120)
async def test_the_judge_notices_an_ack_before_fsync(stopped_daemon, tmp_path) -> None:
    # The disk is slow, so that the kill falls between the premature ack and the sync.
    env = {"PARLEY_BREAK": "ack_before_fsync", "PARLEY_TEST_VFS": "power_loss", "PARLEY_FAULT": "journal.before_commit:sleep_ms=20"}
    words = await broken_run(stopped_daemon, tmp_path, env, "")
    assert "I1: " in words, f"a build that acknowledges before the disk passed: {words}"


@both_stores
@pytest.mark.timeout(120)
@pytest.mark.parametrize("behaviour", ["", "dedup_after_stages"])
async def test_a_repeat_does_not_meet_a_word_list_that_came_later(stopped_daemon, tmp_path, behaviour, store) -> None:
    """A text is stored and its ack lost; then the word list forbids it; the repeat must still get the ack. A build that filters before it looks for duplicates refuses what is
    stored, and the judge must say so."""
    if behaviour:
        stopped_daemon.env["PARLEY_BREAK"] = behaviour
    await stopped_daemon.start()
    site = await Site.make(stopped_daemon, History(tmp_path / "history.jsonl"))
    await site.hire("Boss", "admin")
    visitor = await site.visitor("visitor")
    await visitor.tell("hello")
    visitor.wire.stop_reading()
    lost = visitor.say("a pineapple please")
    while len(stopped_daemon.reader().entries()) < 2:
        await asyncio.sleep(0.01)
    visitor.wire.cut()
    await site.rest_of("Boss").post("/word-lists", {"name": "fruit", "action": "block", "words": ["pineapple"]})
    probe = await site.visitor("probe")
    await probe.tell("hello")
    while (await probe.attempt(None, "text", {"text": "pineapple"})).get("code") != "filtered":
        await asyncio.sleep(0.02)
    await visitor.connect()
    answer = await asyncio.wait_for(lost, 10)
    visitor.finish()
    verdict = check(site.history, stopped_daemon.reader().entries())
    if behaviour:
        assert answer.get("code") == "filtered" and not verdict.ok, f"a build that filters before it looks for duplicates passed: {answer} {verdict}"
    else:
        assert answer["t"] == "ack" and answer["dup"] is True and verdict.ok, f"{answer} {verdict}"
