"""What only the standard store has: Redis and PostgreSQL behind the daemon."""
import asyncio
import binascii
import json
import time

import aiohttp
import pytest
from parley_test.daemon import Daemon
from parley_test.servers import Backing, Postgres, Redis, shared
from parley_test.site import Site

pytestmark = pytest.mark.standard_only


async def until(what, timeout: float = 20) -> None:
    """`what` gives something true, or stays false for too long."""
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, f"not within {timeout} s"
        await asyncio.sleep(0.05)


async def refused_start(daemon: Daemon, timeout: float = 60) -> str:
    already = len(daemon.log().splitlines())
    daemon.spawn()
    assert await daemon.wait(timeout) in (1, 2), daemon.tail()
    lines = [line for line in daemon.log().splitlines()[already:] if "terminate" not in line]
    return "\n".join(lines)


async def test_what_is_acknowledged_is_archived_soon_and_the_same(daemon) -> None:
    site = await Site.make(daemon)
    visitor, agent = await site.visitor(), await site.agent()
    await visitor.tell("你好, world")
    await agent.watch(visitor.own)
    await agent.do(visitor.own, "claim", {})
    await agent.tell("an answer", visitor.own)
    await agent.do(visitor.own, "note", {"text": "a note"})
    await agent.do(visitor.own, "edit", {"target": 3, "text": "a better answer"})
    reader = daemon.reader()
    await until(lambda: reader.query("select archived_seq, head from conversation where id = %s", (int(visitor.own),)) == [(5, 5)])
    rows = reader.query("select seq, rev, audience, body from message where conv = %s order by seq", (int(visitor.own),))
    assert [(seq, rev, audience) for seq, rev, audience, _ in rows] == [(1, 1, 0), (2, 2, 0), (3, 5, 0), (4, 4, 1), (5, 5, 0)]
    assert rows[0][3]["text"] == "你好, world" and rows[2][3]["text"] == "a better answer" and rows[3][3]["text"] == "a note"
    assert reader.query("select body->>'text' from message_original where conv = %s", (int(visitor.own),)) == [("an answer",)]
    (counter,) = [row[0] for row in reader.query("select counter from flush_progress")]
    assert counter > 0
    assert len(reader.entries()) == 5, "journal and archive agree"


async def test_the_journal_does_not_keep_what_is_archived(daemon) -> None:
    site = await Site.make(daemon)
    visitor = await site.visitor()
    for i in range(50):
        await visitor.tell(f"text {i}")
    backing = daemon.backing

    def left() -> int:
        with backing.redis.client() as client:
            return client.xlen(f"{{{backing.prefix}:0}}log")

    assert left() > 0
    await asyncio.sleep(10)
    await visitor.tell("one more")
    await until(lambda: left() < 5, 30)
    again = await site.visitor("reload", visitor.person)
    await again.shown(again.own, 51)
    assert len(daemon.reader().entries()) == 51


async def test_one_daemon_owns_the_store(daemon, tmp_path) -> None:
    second = Daemon(tmp_path / "second", store=daemon.backing)
    said = await refused_start(second)
    assert "in use" in said and str(daemon.process.pid) in said, said
    assert daemon.running
    site = await Site.make(daemon)
    visitor = await site.visitor()
    await visitor.tell("the first one goes on")
    await daemon.kill()
    await second.start()
    try:
        assert len(second.reader().entries()) == 1, "after the first one's death the store is free at once"
    finally:
        await second.dispose()


def shard_of(site: Site, shards: int) -> int:
    return binascii.crc32(int(site.tenant_id).to_bytes(8, "little")) % shards


async def test_sockets_and_several_shards(tmp_path) -> None:
    servers = shared()
    backing = servers.backing(shards=4)
    daemon = Daemon(tmp_path / "daemon", {"redis": {"url": servers.redis.unix_url}, "postgres": {"url": servers.postgres.unix_conninfo(backing.name)}}, store=backing)
    try:
        await daemon.start()
        sites = [await Site.make(daemon, slug=f"shop{i}") for i in range(6)]
        while len({shard_of(site, 4) for site in sites}) < 2:
            sites.append(await Site.make(daemon, slug=f"shop{len(sites)}"))
        visitors = [await site.visitor() for site in sites for _ in range(3)]
        for i in range(5):
            await asyncio.gather(*(visitor.tell(f"text {i}") for visitor in visitors))
        await daemon.kill()
        await daemon.start()
        for visitor in visitors:
            await visitor.connect()
        await asyncio.gather(*(visitor.tell("after the restart") for visitor in visitors))
        entries = daemon.reader().entries()
        assert sorted((e.conv, e.seq) for e in entries) == sorted((visitor.own, seq) for visitor in visitors for seq in range(1, 7))
        with backing.redis.client() as client:
            used = {shard for shard in range(4) if client.exists(f"{{{backing.prefix}:{shard}}}log")}
        assert used == {shard_of(site, 4) for site in sites}, "each tenant has its stream"
        await daemon.stop()
        daemon.settings["redis"]["shards"] = 2
        said = await refused_start(daemon)
        assert "shards" in said, said
    finally:
        await daemon.dispose()
        backing.drop()


@pytest.mark.timeout(120)
async def test_chats_go_on_while_postgresql_is_down(tmp_path) -> None:
    postgres = Postgres().start()
    backing = Backing(shared().redis, postgres)
    daemon = Daemon(tmp_path / "daemon", store=backing)
    try:
        await daemon.start()
        site = await Site.make(daemon)
        visitor, agent = await site.visitor(), await site.agent()
        await visitor.tell("before")
        await agent.watch(visitor.own)
        newcomer = site.visitor_client("newcomer")
        token = await newcomer.person.token()

        async def known() -> str:
            return token

        newcomer._token = known
        postgres.kill()
        for i in range(20):
            await visitor.tell(f"text {i}")
            await agent.tell(f"answer {i}", visitor.own)
        await newcomer.connect()
        await newcomer.tell("a chat begins")
        await agent.shown(visitor.own, 41)
        postgres.start()
        await until(lambda: daemon.reader().query("select sum(archived_seq) from conversation") == [(42,)], 30)
        await daemon.until_ready()
        assert len(daemon.reader().entries()) == 42
    finally:
        await daemon.dispose()
        backing.drop()
        postgres.dispose()


@pytest.mark.timeout(120)
async def test_senders_wait_for_redis_and_nothing_is_lost(tmp_path) -> None:
    redis = Redis().start()
    backing = Backing(redis, shared().postgres)
    daemon = Daemon(tmp_path / "daemon", store=backing)
    try:
        await daemon.start()
        site = await Site.make(daemon)
        visitor = await site.visitor()
        await visitor.tell("before")
        for end in (redis.kill, redis.stop):
            head = len(visitor.conversation(visitor.own).texts())
            end()
            for i in range(5):
                visitor.say(f"meanwhile {head} {i}")
            await asyncio.sleep(1)
            assert visitor.wire.alive, "who is connected stays so"
            async with aiohttp.ClientSession() as http:
                async with http.get(daemon.ops + "/readyz") as answer:
                    assert answer.status == 503 and "redis" in (await answer.text()).lower()
            redis.start()
            await visitor.settled(30)
            await visitor.shown(visitor.own, head + 5)
        await daemon.until_ready()
        texts = [e.text for e in daemon.reader().entries()]
        assert texts == visitor.conversation(visitor.own).texts() and len(texts) == 11
    finally:
        await daemon.dispose()
        backing.drop()
        redis.dispose()


async def test_a_redis_that_throws_data_away_is_refused(tmp_path) -> None:
    redis = Redis(options={"maxmemory-policy": "allkeys-lru"}).start()
    backing = Backing(redis, shared().postgres)
    daemon = Daemon(tmp_path / "daemon", store=backing)
    try:
        said = await refused_start(daemon)
        assert "noeviction" in said and len(said.splitlines()) == 1, said
    finally:
        await daemon.dispose()
        backing.drop()
        redis.dispose()


async def test_a_redis_that_may_lose_a_second_is_said_to(tmp_path) -> None:
    redis = Redis(appendfsync="everysec").start()
    backing = Backing(redis, shared().postgres)
    daemon = Daemon(tmp_path / "daemon", store=backing)
    try:
        await daemon.start()
        assert "appendfsync" in daemon.log()
    finally:
        await daemon.dispose()
        backing.drop()
        redis.dispose()


@pytest.mark.parametrize(
    "section, url, words",
    [
        ("postgres", "host=127.0.0.1 port=1 dbname=parley user=parley password=hush-hush-77", ["127.0.0.1"]),
        ("redis", "redis://:hush-hush-77@127.0.0.1:1/0", ["127.0.0.1:1"]),
    ],
)
@pytest.mark.timeout(120)
async def test_a_server_that_cannot_be_reached_is_named_without_its_password(stopped_daemon, section, url, words) -> None:
    stopped_daemon.settings[section]["url"] = url
    said = await refused_start(stopped_daemon)
    last = said.splitlines()[-1]
    assert all(word in last for word in words), said
    assert "hush-hush-77" not in stopped_daemon.log()


async def test_passwords_of_servers_are_used_and_not_logged(tmp_path) -> None:
    redis = Redis(options={"requirepass": "hush-hush-78"})
    redis.spawn()
    backing = Backing(redis, shared().postgres)
    daemon = Daemon(tmp_path / "daemon", {"redis": {"url": f"redis://:hush-hush-78@127.0.0.1:{redis.port}/0"}}, store=backing)
    try:
        await daemon.start()
        site = await Site.make(daemon)
        visitor = await site.visitor()
        await visitor.tell("hello")
        assert "hush-hush" not in daemon.log()
        async with aiohttp.ClientSession() as http:
            async with http.get(daemon.ops + "/metrics") as answer:
                assert "hush-hush" not in await answer.text()
    finally:
        await daemon.dispose()
        redis.dispose()
        backing.drop()


async def test_a_store_keeps_to_its_pair_of_servers(daemon, tmp_path) -> None:
    """The journal of one installation with the archive of another would tear both."""
    await Site.make(daemon)
    await daemon.stop()
    stranger = shared().backing()
    mixed = Daemon(tmp_path / "mixed", {"redis": {"prefix": daemon.backing.prefix}}, store=stranger)
    said = await refused_start(mixed)
    assert said, json.dumps(said)
    await daemon.start()
    stranger.drop()
