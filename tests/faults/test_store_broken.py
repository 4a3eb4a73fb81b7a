"""Deliberately wrong stores, which the judge must notice, beside the sound one, which must pass the same run or say what is wrong."""
import asyncio

import pytest
from parley_test.proxy import DOWN, Proxy
from stand import Stand


async def complaint(stand: Stand, timeout: float = 10) -> str:
    """What is wrong with a run, in words; "" if nothing is."""
    words = []
    try:
        await stand.load.come_to_rest(timeout)
        await stand.drained(timeout)
    except AssertionError as failure:
        words.append(f"does not come to rest: {str(failure)[:400]}")
    try:
        verdict = await stand.load.judge(rest=False)
        words += [] if verdict.ok else [str(verdict)]
    except AssertionError as failure:
        words.append(f"the store contradicts itself: {failure}")
    return "\n".join(words)


def patch_library(stand: Stand, find: str, put: str) -> None:
    """Another function library than the daemon loaded."""
    with stand.redis.client() as client:
        (library,) = client.execute_command("FUNCTION", "LIST", "LIBRARYNAME", "parley_j1", "WITHCODE")
        code = dict(zip(library[::2], library[1::2]))[b"library_code"].decode()
        assert code.count(find) == 1, f"parley_j1.lua has {code.count(find)} places like {find!r}"
        client.execute_command("FUNCTION", "LOAD", "REPLACE", code.replace(find, put))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("broken", [False, True])
async def test_skipped_dedup(tmp_path, seed, broken) -> None:
    """Acks are lost on the way, clients repeat."""
    async with Stand(tmp_path, seed) as stand:
        if broken:
            stand.daemon.env["PARLEY_BREAK"] = "skip_dedup"  # the home's own memory
        async with Proxy(stand.daemon.port) as proxy:
            load = await stand.begin(visitors=4, agents=1, url=f"ws://127.0.0.1:{proxy.port}/ws")
            if broken:
                patch_library(stand, "if n ~= last + 1 then", "if n > last + 1 then")
            words = ""
            try:
                for _ in range(6):
                    await load.more_acks(20, timeout=8)
                    proxy.drop(DOWN)
                    await asyncio.sleep(0.3)
                    proxy.reset_all()
                    proxy.drop()
            except AssertionError as failure:
                words = f"does not go on: {str(failure)[:400]}\n"
            words += await complaint(stand)
        assert ("I2: " in words) if broken else (words == ""), words


@pytest.mark.timeout(120)
@pytest.mark.parametrize("broken", ["", "flush_from_end", "trim_before_flush"])
async def test_a_flusher_that_loses_what_waits(tmp_path, seed, broken) -> None:
    """PostgreSQL is away for a while, and the daemon is killed meanwhile."""
    async with Stand(tmp_path, seed) as stand:
        stand.daemon.env["PARLEY_BREAK"] = broken
        load = await stand.begin(visitors=4, agents=1)
        await load.more_acks(30)
        stand.postgres.kill()
        await load.more_acks(100, timeout=15)

        async def has_tried() -> bool:
            return (await stand.daemon.metrics())["parley_archive_flush_failures"] > 0

        await stand.until("the flusher has tried to write", has_tried)
        await stand.daemon.kill()
        stand.postgres.start()
        words = ""
        try:
            await stand.daemon.start(20)
            await load.more_acks(30, timeout=15)
        except AssertionError as failure:
            words = f"does not go on: {str(failure)[:400]}"
        words += await complaint(stand)
        assert ("I1: " in words or "I3: " in words or "archived" in words) if broken else (words == ""), f"{broken or 'the sound store'}: {words}"


async def with_a_hole(stand: Stand) -> None:
    """Somebody removes an entry of the journal before it is archived."""
    load = await stand.begin(visitors=3, agents=1)
    await load.more_acks(30)
    await stand.drained()
    stand.postgres.pause()
    await asyncio.sleep(0.5)  # the flusher has read what it holds in its hands
    key = f"{{{stand.backing.prefix}:0}}log"
    with stand.redis.client() as client:
        known = client.xlen(key)
        await load.more_acks(60)
        names = [name for name, _ in client.xrange(key)][known:]
        removed = client.xdel(key, *names[2:8])
    assert removed == 6
    stand.postgres.resume()


@pytest.mark.timeout(120)
async def test_a_hole_in_the_journal_stops_the_archive_and_is_told(tmp_path, seed) -> None:
    async with Stand(tmp_path, seed) as stand:
        await with_a_hole(stand)
        await stand.until("the daemon says so", lambda: "shard 0 stopped" in stand.daemon.log() or _stopped(stand), timeout=20)
        words = await complaint(stand, 5)
        assert words, "a hole is a loss, and the judge must say so"


async def _stopped(stand: Stand) -> bool:
    return any("stopped" in reason for reason in (await stand.readiness())[1])


@pytest.mark.timeout(120)
async def test_a_flusher_that_swallows_a_hole_is_noticed(tmp_path, seed) -> None:
    async with Stand(tmp_path, seed) as stand:
        stand.daemon.env["PARLEY_BREAK"] = "flush_swallows"
        await with_a_hole(stand)
        words = await complaint(stand, 8)
        assert "I1: " in words or "I3: " in words, f"a build that swallows passed: {words}"
