"""The standard store's archive suffers: PostgreSQL is away, stands still, or ends connections at the worst moments. Chats go on; every entry is archived exactly once."""
import asyncio

import pytest
from load import start_under_fire
from parley_test.plugin import scale
from parley_test.proxy import DOWN, UP
from stand import Stand, Watch

FLUSH_POINTS = ["flush.after_copy", "flush.before_commit", "flush.after_commit"]  # flush.after_trim: the soak, since trimming comes 10 s later


def stable_of(client) -> int:
    """The highest seq of its own conversation that the client was told to be archived."""
    return client.stable.get(client.own, 0)


# ---- fault 6: it is away ----


@pytest.mark.timeout(scale(120, 600))
@pytest.mark.parametrize("how", ["killed", "stopped", "SIGSTOP"])
async def test_chats_go_on_without_postgres(tmp_path, seed, how) -> None:
    """Acks go on, `stable` stands still; when it is back the journal is drained and `stable` follows. Nobody is refused anything, as long as nobody changes what is archived."""
    async with Stand(tmp_path, seed) as stand:
        load = await stand.begin(edits=False)
        for _ in range(scale(1, 3)):
            await load.more_acks(50)
            await stand.drained()
            visitor = load.visitors[0]
            async with Watch(stand.daemon) as watch:
                {"killed": stand.postgres.kill, "stopped": stand.postgres.stop, "SIGSTOP": stand.postgres.pause}[how]()
                await asyncio.sleep(0.5)
                stable = stable_of(visitor)
                end = asyncio.get_running_loop().time() + scale(4, 60)
                while asyncio.get_running_loop().time() < end:
                    await load.more_acks(20)
                assert stable_of(visitor) == stable, "nothing is archived, and nobody says so"
                assert stand.daemon.running
            watch.within(rss_mib=96, fds=32)
            if how == "SIGSTOP":
                stand.postgres.resume()
            else:
                stand.postgres.start()
            await stand.until("what they said meanwhile is archived", lambda: stable_of(visitor) > stable, timeout=20)
            assert not {"journal_down", "journal_full"} & set(stand.codes()), set(stand.codes())  # busy comes with every reopening that two want at once
        await stand.sound()


@pytest.mark.timeout(scale(120, 600))
async def test_the_journal_grows_to_its_limit_and_no_further(tmp_path, seed) -> None:
    """Above the high-water mark senders get 507; nothing is evicted; it goes on when PostgreSQL is back."""
    async with Stand(tmp_path, seed) as stand:
        stand.daemon.settings["redis"]["backlog_bytes_max"] = 1 << 20
        load = await stand.begin(visitors=6)
        for _ in range(scale(1, 3)):
            await load.more_acks(20)
            await stand.drained()
            mark = len(stand.history.events)
            stand.postgres.kill()
            await stand.until("the journal is full", lambda: "journal_full" in stand.codes(mark), timeout=60)
            await stand.until_ready_is(503)
            await asyncio.sleep(1)
            with stand.redis.client() as client:
                used = client.memory_usage(f"{{{stand.backing.prefix}:0}}log", samples=0)
            assert used < 3 << 20, f"the stream takes {used} bytes, the limit is {1 << 20}"
            stand.postgres.start()
            await stand.until_ready_is(200, timeout=30)
            await load.more_acks(50)
        await stand.sound()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", ["killed", "stopped", "stands still"])
async def test_new_visitors_chat_without_postgres(tmp_path, seed, how) -> None:
    """The site was used once. People who come for the first time while the archive is away get a token and a conversation, agents who are there see it in their lists and answer."""
    async with Stand(tmp_path, seed) as stand:
        load = await stand.begin(visitors=2, agents=1, edits=False)
        await load.more_acks(20)
        page = "/widget/config?key=" + stand.site.key
        config = await stand.site.rest.get(page)
        desk = await stand.site.agent_wire("Agent 0")
        await desk.request({"t": "watch", "view": "waiting"}, "rows")
        {"killed": stand.postgres.kill, "stopped": stand.postgres.stop, "stands still": stand.postgres.pause}[how]()
        await stand.site.rest.fails("GET", "/widget/config?key=pk_unknown", 503)
        agent = load.agents[0]
        for i in range(12):  # on every reactor
            assert await stand.site.rest.get(page) == config
            visitor = await stand.site.visitor(f"newcomer {i}")
            await visitor.tell("is anybody there?")
            delta = await desk.expect("delta", where=lambda f: any(row["conv"] == visitor.own for row in f.get("upsert", [])))
            row = next(row for row in delta["upsert"] if row["conv"] == visitor.own)
            assert row["number"] > 0 and row["last"]["text"] == "is anybody there?"
            agent._watches[visitor.own] = True
            await agent._ask_watch(visitor.own)
            await agent.tell("we are", visitor.own)
            await visitor.shown(seq=2)
            assert stable_of(visitor) == 0, "nothing is archived, and nobody says so"
            load.visitors.append(visitor)
        await load.more_acks(20)
        stand.postgres.resume() if how == "stands still" else stand.postgres.start()
        await stand.until("what they said meanwhile is archived", lambda: all(stable_of(v) >= 1 for v in load.visitors[-12:]), timeout=20)
        await stand.sound()
        await stand.site.rest.fails("GET", "/widget/config?key=pk_unknown", 404)


@pytest.mark.timeout(60)
async def test_what_is_archived_can_be_changed_when_postgres_is_back(tmp_path, seed) -> None:
    """An edit needs its target. Until that can be read the sender is told to try again, and what it says after the edit waits behind it."""
    async with Stand(tmp_path, seed) as stand:
        load = await stand.begin(visitors=1, agents=1, tabs=0, edits=False)
        visitor = stand.bystander
        await load.come_to_rest()
        for i in range(200):  # more than the newest entries that are kept in memory
            await visitor.tell(f"story {i}")
        await stand.drained()
        await asyncio.sleep(11)  # what is archived leaves the journal 10 s later
        stand.postgres.kill()
        edit, later = visitor.send(None, "edit", {"target": 2, "text": "another story"}), visitor.say("and more")
        await stand.until("it is told to wait", lambda: "journal_down" in stand.codes())
        assert not edit.done() and not later.done()
        stand.postgres.start()
        await asyncio.wait_for(asyncio.gather(edit, later), 10)
        await stand.sound()


@pytest.mark.timeout(120)
async def test_the_daemon_dies_while_postgres_is_away(tmp_path, seed) -> None:
    """What waits for the archive waits in Redis, not in the daemon."""
    async with Stand(tmp_path, seed) as stand:
        load = await stand.begin()
        await load.more_acks(50)
        stand.postgres.kill()
        await load.more_acks(100)
        await stand.daemon.kill()
        stand.postgres.start()
        await stand.daemon.start()
        await load.more_acks(50)
        await stand.sound()


@pytest.mark.timeout(120)
async def test_everything_dies_at_once(tmp_path, seed) -> None:
    async with Stand(tmp_path, seed) as stand:
        load = await stand.begin(visitors=4, agents=1)
        for _ in range(scale(2, 15)):
            await load.more_acks(50)
            await asyncio.sleep(stand.dice.uniform(0, 0.3))
            await stand.daemon.kill()
            stand.lose_power()
            stand.postgres.kill()
            stand.start_redis()
            stand.postgres.start()
            await stand.daemon.start()
        await load.more_acks(50)
        await stand.sound()


# ---- fault 7: it ends a connection in the middle ----


@pytest.mark.timeout(scale(120, 900))
async def test_backends_are_terminated_at_random_moments(tmp_path, seed) -> None:
    async with Stand(tmp_path, seed) as stand:
        load = await stand.begin()
        ended = 0
        for _ in range(scale(40, 500)):
            await load.more_acks(5)
            await asyncio.sleep(stand.dice.uniform(0, 0.06))
            ended += stand.terminate_backends()
        assert ended > scale(10, 200)
        await stand.sound()
        print(f"{ended} backends ended")


@pytest.mark.timeout(scale(120, 900))
@pytest.mark.parametrize("point", FLUSH_POINTS)
async def test_the_backend_is_terminated_at_a_point_of_the_flush(tmp_path, seed, point) -> None:
    """The flusher waits at the point, its connection is ended there, and it must find out what became of its transaction."""
    async with Stand(tmp_path, seed) as stand:
        stand.daemon.env["PARLEY_FAULT"] = f"{point}:sleep_ms=60"
        load = await stand.begin()
        ended = 0
        for _ in range(scale(20, 170)):
            await load.more_acks(5)
            await asyncio.sleep(stand.dice.uniform(0, 0.08))
            ended += stand.terminate_backends()
        assert ended > scale(3, 30)
        await stand.sound(drain_timeout=40)


@pytest.mark.timeout(scale(120, 900))
@pytest.mark.parametrize("point", FLUSH_POINTS)
async def test_the_daemon_is_killed_at_a_point_of_the_flush(tmp_path, seed, point) -> None:
    async with Stand(tmp_path, seed) as stand:
        load = await stand.begin()
        for _ in range(scale(3, 30)):
            await load.more_acks(20)
            await stand.daemon.kill()
            stand.daemon.env["PARLEY_FAULT"] = f"{point}:kill:{stand.dice.randint(0, 8)}"
            if await start_under_fire(stand.daemon):
                assert await stand.daemon.wait(30) == -9, "the fault point was never reached"
            del stand.daemon.env["PARLEY_FAULT"]
            await stand.daemon.start()
        await stand.sound()


# ---- the link between the daemon and PostgreSQL ----


@pytest.mark.timeout(scale(120, 600))
async def test_the_link_to_postgres_misbehaves(tmp_path, seed) -> None:
    async with Stand(tmp_path, seed, links=True) as stand:
        load = await stand.begin()
        link = stand.postgres_link
        for _ in range(scale(15, 150)):
            what = stand.dice.choice(("cut", "cut", "reset", "stall", "slow", "half", "part"))
            if what == "cut":
                link.cut_after[stand.dice.choice((UP, DOWN))] = stand.dice.randint(1, 8000)
            elif what == "reset":
                link.reset_all()
            elif what == "stall":
                direction = stand.dice.choice((UP, DOWN))
                link.hold(direction)
                await asyncio.sleep(stand.dice.uniform(0.1, 0.8))
                link.release(direction)
            elif what == "slow":
                link.delay_s, link.jitter_s = stand.dice.choice(((0, 0), (0.01, 0.03)))
            elif what == "half":
                link.half_close(stand.dice.choice((UP, DOWN)))
            else:
                link.part()
                await asyncio.sleep(stand.dice.uniform(0.1, 1))
                link.refusing = False
            await load.more_acks(10)
        link.heal()
        await load.more_acks(50)
        await stand.sound()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("direction", [UP, DOWN])
@pytest.mark.parametrize("lasts", [2, 9])  # a statement is given up after 8 s, so either it or the next connection meets the deaf link
async def test_a_deaf_link_to_postgres_is_noticed(tmp_path, seed, direction, lasts) -> None:
    """One direction swallows everything, and no reset tells: within 10 s after it carries again, everything is archived."""
    async with Stand(tmp_path, seed, links=True) as stand:
        load = await stand.begin(edits=False)
        await load.more_acks(50)
        stand.postgres_link.drop(direction)
        end = asyncio.get_running_loop().time() + lasts
        while asyncio.get_running_loop().time() < end:
            await load.more_acks(10)
        stand.postgres_link.heal()
        await stand.drained(timeout=10)
        await load.more_acks(50)
        await stand.sound(drain_timeout=10)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", ["away", "deaf"])
async def test_a_postgres_that_cannot_be_reached_at_the_start_is_named(tmp_path, seed, how) -> None:
    async with Stand(tmp_path, seed, links=True) as stand:
        load = await stand.begin()
        await load.more_acks(20)
        await stand.daemon.kill()
        if how == "away":
            stand.postgres.kill()
        else:
            stand.postgres_link.drop(UP)
        mark = len(stand.daemon.log())
        starting = asyncio.create_task(stand.daemon.start())
        await stand.until("the log says what is missing", lambda: "PostgreSQL cannot be reached" in stand.daemon.log()[mark:], timeout=10)
        if how == "away":
            stand.postgres.start()
        else:
            stand.postgres_link.heal()
        await starting
        await load.more_acks(20)
        await stand.sound()
