"""The standard store's journal suffers: Redis dies, loses power, stands still, fills up, or cannot be reached. Nothing acknowledged is lost, nothing is doubled, and all goes on by itself."""
import asyncio
import random
import time

import pytest
from parley_test.plugin import scale
from parley_test.proxy import DOWN, UP
from stand import Stand, Watch

NOT_NOW = {"journal_down", "journal_full", "out_of_order", "busy", "rate"}  # refusals that consume nothing


# ---- fault 2: power ----


@pytest.mark.timeout(scale(120, 600))
@pytest.mark.parametrize("parley", ["lives", "dies too"])
async def test_power_loss_with_appendfsync_always(tmp_path, seed, parley) -> None:
    async with Stand(tmp_path, seed) as stand:
        load = await stand.begin(visitors=4, agents=1)
        dropped = 0
        for _ in range(scale(4, 25)):
            await load.more_acks(30)
            stand.disk.slow(stand.dice.choice((0, 5, 20)))  # so that the power often goes during a sync
            await asyncio.sleep(stand.dice.uniform(0.02, 0.2))
            if parley == "dies too":
                await stand.daemon.kill()
            dropped += stand.lose_power()
            stand.disk.heal()
            if parley == "lives":
                await stand.no_acks_during(0.3, grace=0.1)
            stand.start_redis()
            if parley == "dies too":
                await stand.daemon.start()
        await load.more_acks(30)
        print(f"dropped {dropped} unsynced bytes; {await stand.sound()}")


@pytest.mark.timeout(120)
async def test_the_judge_notices_what_everysec_loses(tmp_path, seed) -> None:
    """The same with `appendfsync everysec`, which answers before it syncs: the loss must show, or the tests above prove nothing."""
    async with Stand(tmp_path, seed, appendfsync="everysec") as stand:
        load = await stand.begin(visitors=4, agents=1)
        await stand.drained()
        stand.disk.slow(3000)  # the second of "everysec" may have just passed
        stand.postgres.pause()  # what PostgreSQL has is not lost
        await load.more_acks(60)
        acknowledged = load.acks()
        await stand.daemon.kill()
        dropped = stand.lose_power(whole_tail=True)
        stand.disk.heal()
        stand.postgres.resume()
        stand.start_redis()
        assert dropped > 0 and acknowledged >= 60
        rest = ""
        try:
            await stand.daemon.start()
            await load.come_to_rest(8)
        except AssertionError as failure:
            rest = f"does not come to rest: {failure}"
        verdict = await load.judge(rest=False)
        assert "I1: " in str(verdict), f"{dropped} bytes of answered appends are gone, and the judge says: {verdict} {rest}"


@pytest.mark.timeout(scale(180, 600))
@pytest.mark.parametrize("parley", ["lives", "dies too"])
async def test_power_goes_in_the_middle_of_a_transaction(tmp_path, seed, parley) -> None:
    """Redis 7.0 forgets the transaction and leaves its beginning in the file, where it swallows what is written next: the daemon has the file rewritten before it sends anything to the
    server that came back, so that the restart that follows loses nothing. Nobody runs redis-check-aof."""
    async with Stand(tmp_path, seed) as stand:
        load = await stand.begin(visitors=4, agents=1)
        for _ in range(scale(2, 10)):
            await load.more_acks(30)
            await stand.tear_a_transaction()
            if parley == "dies too":
                await stand.daemon.kill()
            stand.start_redis()
            if parley == "dies too":
                await stand.daemon.start()
            await load.more_acks(30)
            stand.lose_power()
            stand.start_redis()
        await load.more_acks(30)
        await stand.sound()
        assert stand.redis.log().count("Background AOF rewrite finished successfully") >= 2


@pytest.mark.timeout(scale(180, 600))
@pytest.mark.parametrize("how", ["fails", "is cut short by one more power loss"])
async def test_a_torn_file_that_could_not_be_rewritten(tmp_path, seed, how) -> None:
    """What is appended then stands in a file of its own. Redis stops once at the torn one, mends it, and loses nothing when it is started again."""
    async with Stand(tmp_path, seed) as stand:
        load = await stand.begin(visitors=4, agents=1)
        await load.more_acks(30)
        await stand.tear_a_transaction()
        stand.redis.options["rdb-key-save-delay"] = "1000000"  # µs: a rewrite takes seconds
        stand.start_redis()
        with stand.redis.client() as client:
            await stand.until("it rewrites", lambda: client.info("persistence")["aof_rewrite_in_progress"] == 1)
            await stand.no_acks_during(0.5)
            if how == "fails":
                stand.redis.kill_children()
                await stand.until_ready_is(200)
                await load.more_acks(30)
                assert client.info("persistence")["aof_last_bgrewrite_status"] == "err"
        del stand.redis.options["rdb-key-save-delay"]
        stand.lose_power()
        assert stand.start_redis() == 2, "the torn file is not the last one any more"
        await load.more_acks(30)
        await stand.sound()


@pytest.mark.timeout(120)
async def test_a_redis_that_cannot_rewrite_is_given_nothing(tmp_path, seed) -> None:
    """Without a file of its own what is answered could be lost: senders are told to wait, until somebody has the file rewritten."""
    acl = tmp_path / "acl"
    user = "user parley on >secret ~* +@all"
    acl.write_text(user + "\n", encoding="ascii")
    async with Stand(tmp_path, seed, redis_options={"aclfile": str(acl)}) as stand:
        stand.daemon.settings["redis"]["url"] = f"redis://parley:secret@127.0.0.1:{stand.redis.port}/0"
        load = await stand.begin(visitors=2, agents=1)
        await load.come_to_rest()
        stand.redis.kill()
        acl.write_text(user + " -bgrewriteaof\n", encoding="ascii")
        stand.start_redis()
        await stand.is_told("journal_down")
        reasons = await stand.until_ready_is(503)
        assert any("BGREWRITEAOF" in reason for reason in reasons), reasons
        with stand.redis.client() as client:
            client.execute_command("BGREWRITEAOF")  # as the reason says
        await stand.until_ready_is(200)
        await load.come_to_rest()
        await stand.drained()
        verdict = await load.judge(rest=False)
        assert verdict.ok, str(verdict)


@pytest.mark.timeout(scale(120, 600))
async def test_redis_is_killed_at_random_moments(tmp_path, seed) -> None:
    async with Stand(tmp_path, seed) as stand:
        load = await stand.begin()
        for _ in range(scale(6, 50)):
            await load.more_acks(30)
            await asyncio.sleep(stand.dice.uniform(0, 0.2))
            stand.redis.kill()
            await asyncio.sleep(stand.dice.choice((0, 0.2, 1.5)))
            stand.start_redis()
        await load.more_acks(30)
        await stand.sound()


# ---- fault 4: it stands still ----


@pytest.mark.timeout(scale(120, 300))
@pytest.mark.parametrize("how", ["SIGSTOP", "CLIENT PAUSE"])
async def test_a_redis_that_stands_still(tmp_path, seed, how) -> None:
    """No ack meanwhile, nothing grows, and then it goes on in order."""
    seconds = scale(6, 30)
    async with Stand(tmp_path, seed) as stand:
        load = await stand.begin()
        await load.more_acks(50)
        async with Watch(stand.daemon) as watch:
            if how == "SIGSTOP":
                stand.redis.pause()
            else:
                with stand.redis.client() as client:
                    client.execute_command("CLIENT", "PAUSE", seconds * 1000, "ALL")
            try:
                await stand.no_acks_during(seconds - 1)
                # Who reads is not held up by it for long: what is archived, and the page of who asks for what is not, comes or is refused.
                assert stand.daemon.running
            finally:
                stand.redis.resume()
            await load.more_acks(50)
        watch.within(rss_mib=64, fds=32)
        assert set(stand.codes()) <= NOT_NOW, set(stand.codes())
        await stand.sound()


# ---- fault 5: it is full ----


@pytest.mark.timeout(scale(120, 300))
async def test_redis_is_out_of_memory(tmp_path, seed) -> None:
    async with Stand(tmp_path, seed) as stand:
        load = await stand.begin()
        for _ in range(scale(1, 5)):
            await load.more_acks(50)
            mark = len(stand.history.events)
            with stand.redis.client() as client:
                client.config_set("maxmemory", int(client.info("memory")["used_memory"]) + 20_000)
            await stand.until("somebody is told that the journal is full", lambda: "journal_full" in stand.codes(mark))
            reasons = await stand.until_ready_is(503)
            assert any("full" in r or "memory" in r for r in reasons), reasons
            agent = load.agents[0]
            page = await agent.wire.request({"t": "sync", "conv": load.visitors[0].own, "after": 0, "limit": 10}, "page")
            assert [e["seq"] for e in page["items"]] == list(range(1, 11)), "reading goes on"
            assert stand.daemon.running and set(stand.codes(mark)) <= NOT_NOW, set(stand.codes(mark))
            with stand.redis.client() as client:
                assert client.info("stats")["evicted_keys"] == 0
                client.config_set("maxmemory", 0)
            await stand.until_ready_is(200)
            await load.more_acks(50)
        assert stand.history.count("closed") == 0, "nobody lost the connection"
        await stand.sound()


@pytest.mark.timeout(scale(120, 300))
@pytest.mark.parametrize("fault", ["no space", "EIO"])
async def test_the_journals_disk_fails_and_redis_gives_up(tmp_path, seed, fault) -> None:
    """With `always` Redis ends when it cannot write; whoever supervises it starts it again when there is space. Meanwhile: no ack, 503, reading goes on."""
    async with Stand(tmp_path, seed) as stand:
        load = await stand.begin()
        for _ in range(scale(1, 5)):
            await load.more_acks(50)
            if fault == "EIO":
                stand.disk.break_it()
            else:
                stand.disk.set_free(stand.dice.randint(0, 3000))  # the last write is cut off in the middle
            await stand.until("Redis ends", lambda: not stand.redis.running)
            await stand.no_acks_during(0.5)
            await stand.until_ready_is(503)
            agent = load.agents[0]
            await stand.until("archived entries can be read", lambda: _page_of(agent, load.visitors[0].own), timeout=15)
            stand.disk.cut_power(stand.dice)
            stand.disk.heal()
            stand.start_redis()
            await stand.until_ready_is(200)
            await load.more_acks(50)
        await stand.sound()


async def _page_of(agent, conv) -> bool:
    """A page, or a refusal that says that it is not now."""
    answer = await agent.wire.request({"t": "sync", "conv": conv, "after": 0, "limit": 10}, "page", "error")
    return answer["t"] == "page" and bool(answer["items"])


@pytest.mark.timeout(scale(120, 300))
async def test_a_full_disk_below_everysec_heals_by_itself(tmp_path, seed) -> None:
    """Redis then refuses writes (MISCONF) until it can write again; nobody needs to start anything."""
    async with Stand(tmp_path, seed, appendfsync="everysec") as stand:
        load = await stand.begin()
        await load.more_acks(50)
        mark = len(stand.history.events)
        stand.disk.set_free(2000)
        await stand.until("somebody is told", lambda: {"journal_full", "journal_down"} & set(stand.codes(mark)))
        await stand.until_ready_is(503)
        stand.disk.heal()
        await stand.until_ready_is(200)
        await load.more_acks(50)
        await stand.sound()


# ---- fault 11, of one node: the link between the daemon and Redis ----


@pytest.mark.timeout(scale(120, 600))
async def test_the_link_to_redis_breaks_in_the_middle_of_commands_and_answers(tmp_path, seed) -> None:
    async with Stand(tmp_path, seed, links=True) as stand:
        load = await stand.begin()
        link = stand.redis_link
        link.chop = 1000
        for _ in range(scale(25, 250)):
            link.cut_after[stand.dice.choice((UP, DOWN))] = stand.dice.randint(1, 6000)
            await asyncio.sleep(stand.dice.uniform(0.02, 0.2))
        link.heal()
        await load.more_acks(50)
        await stand.sound()
        assert link.accepted > 10, "the cuts made it reconnect"


@pytest.mark.timeout(scale(120, 600))
async def test_the_link_to_redis_is_slow_and_lossy(tmp_path, seed) -> None:
    async with Stand(tmp_path, seed, links=True) as stand:
        load = await stand.begin()
        link = stand.redis_link
        link.delay_s, link.jitter_s, link.loss, link.stall_s = 0.002, 0.02, 0.02, 0.3
        for _ in range(scale(8, 80)):
            what = stand.dice.choice(("reset", "stall", "flow"))
            if what == "reset":
                link.reset_all()
            elif what == "stall":
                direction = stand.dice.choice((UP, DOWN))
                link.hold(direction)
                await asyncio.sleep(stand.dice.uniform(0.1, 1))
                link.release(direction)
            await asyncio.sleep(stand.dice.uniform(0.1, 0.6))
        link.heal()
        await load.more_acks(50)
        await stand.sound()


@pytest.mark.timeout(scale(120, 300))
@pytest.mark.parametrize("direction", [UP, DOWN])
async def test_a_deaf_link_to_redis_is_noticed(tmp_path, seed, direction) -> None:
    """One direction swallows everything, and no reset tells: the daemon must find out, connect anew and replay. What went up may have been stored already."""
    async with Stand(tmp_path, seed, links=True) as stand:
        load = await stand.begin()
        await load.more_acks(50)
        stand.redis_link.drop(direction)
        began = time.monotonic()
        connections = stand.redis_link.accepted
        await stand.no_acks_during(1)
        await stand.until("it connects anew", lambda: stand.redis_link.accepted > connections, timeout=15)
        print(f"noticed after {time.monotonic() - began:.1f} s")
        stand.redis_link.heal()
        stand.redis_link.reset_all()
        await load.more_acks(50, timeout=30)
        await stand.sound()


@pytest.mark.timeout(scale(120, 300))
async def test_no_way_to_redis_for_a_while(tmp_path, seed) -> None:
    async with Stand(tmp_path, seed, links=True) as stand:
        load = await stand.begin()
        for _ in range(scale(2, 6)):
            await load.more_acks(50)
            async with Watch(stand.daemon) as watch:
                stand.redis_link.part()
                await stand.no_acks_during(scale(3, 15))
                assert (await stand.readiness())[0] == 503
            watch.within()
            stand.redis_link.heal()
            await stand.until_ready_is(200)
        await load.more_acks(50)
        await stand.sound()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", ["killed", "accepts and resets", "accepts and is silent"])
async def test_who_speaks_while_redis_is_away_is_told(tmp_path, seed, how) -> None:
    """503 and "again in a second", on a connection that stays; a new visitor gets in as soon as Redis is back. Whoever only accepts connections is no Redis."""
    async with Stand(tmp_path, seed, links=how != "killed") as stand:
        load = await stand.begin(visitors=2, agents=1)
        await load.come_to_rest()
        if how == "killed":
            stand.redis.kill()
        elif how == "accepts and resets":
            stand.redis_link.part()
        else:
            stand.redis_link.drop(UP, DOWN)
            stand.redis_link.reset_all()
        began = time.monotonic()
        await stand.is_told("journal_down")
        assert time.monotonic() - began < 3
        if how == "killed":
            stand.start_redis()
        else:
            stand.redis_link.heal()
        await load.come_to_rest()
        await (await stand.site.visitor("newcomer")).tell("hello")
        assert stand.history.count("closed") == 0, "nobody lost the connection"
        await stand.drained()
        stand.site.clients[-1].finish()
        verdict = await load.judge(rest=False)
        assert verdict.ok, str(verdict)


@pytest.mark.timeout(scale(120, 300))
async def test_redis_hangs_up_one_direction(tmp_path, seed) -> None:
    async with Stand(tmp_path, seed, links=True) as stand:
        load = await stand.begin()
        dice = random.Random(seed)
        for _ in range(scale(4, 30)):
            await load.more_acks(30)
            stand.redis_link.half_close(dice.choice((UP, DOWN)))
            await asyncio.sleep(dice.uniform(0, 0.3))
        await load.more_acks(30, timeout=30)
        await stand.sound()
