"""`parley migrate-store` with real servers: a living installation goes over to Redis and PostgreSQL, and nobody notices but by a short wait."""
import asyncio
import os
import signal
import sys
from typing import Any, Dict, List, Optional, Tuple

import pytest
from parley_test.daemon import BINARY, ROOT, Daemon
from parley_test.servers import Backing, Servers, shared
from parley_test.site import PASSWORD, Rest, Site

sys.path.insert(0, str(ROOT / "tests/faults"))
from load import Load  # noqa: E402

pytestmark = [pytest.mark.timeout(120), pytest.mark.store("embedded")]


class Move:
    """An embedded daemon, and the standard store that it is to become."""

    def __init__(self, daemon: Daemon, backing: Backing) -> None:
        self.daemon, self.backing = daemon, backing
        for section, keys in backing.settings().items():
            if section != "store":
                daemon.settings.setdefault(section, {}).update(keys)

    async def run(self, *arguments: str, env: Optional[Dict[str, str]] = None) -> Tuple[int, str, str]:
        """Exit code, output and errors of the tool."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PARLEY_")}
        environment.update(env or {})
        tool = await asyncio.create_subprocess_exec(
            str(BINARY), "migrate-store", "--config", str(self.daemon.config), *arguments, env=environment, cwd=self.daemon.folder,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(tool.communicate(), 90)
        assert tool.returncode is not None
        return tool.returncode, out.decode(), err.decode()

    async def done(self, *arguments: str) -> str:
        code, out, err = await self.run(*arguments)
        assert code == 0, f"ended with {code}:\n{out}{err}\n{self.daemon.tail()}"
        return out

    async def refused(self, words: str, *arguments: str, code: int = 1) -> None:
        """The tool ends with one line about this, and the daemon goes on."""
        ended, out, err = await self.run(*arguments)
        assert ended == code, out + err
        assert err.startswith("parley: ") and err.count("\n") == 1 and words in err, err

    def standard(self) -> None:
        """The next start is in the new store."""
        self.daemon.settings["store"]["mode"] = "standard"
        self.daemon.backing = self.backing

    async def over(self) -> None:
        """The old daemon ended by itself; the new one starts."""
        assert await self.daemon.wait() == 0, self.daemon.tail()
        self.standard()
        await self.daemon.start()

    def query(self, sql: str) -> List[Any]:
        return self.backing.postgres.execute(self.backing.name, sql)


@pytest.fixture
def move(stopped_daemon, request):
    """`indirect` parameters are the number of shards."""
    move = Move(stopped_daemon, shared().backing(shards=getattr(request, "param", 1)))
    asyncio.run(stopped_daemon.start())
    yield move
    stopped_daemon.signal(signal.SIGKILL)
    move.backing.drop()


def facts(reader: Any) -> Dict[Tuple[str, int], Any]:
    """Everything that is to be the same on both sides, of each entry."""
    return {
        (e.conv, e.seq): (e.pos, e.type, e.principal, e.dev, e.n, e.internal, e.id, e.body, e.rev, e.ts_ns, e.hash)
        for e in reader.entries()
        if e.seq is not None
    }


async def send(wire: Any, conv: str, n: int, text: str) -> Dict[str, Any]:
    return await wire.request({"t": "send", "conv": conv, "n": n, "type": "text", "body": {"text": text}}, "ack", "error")


async def lived_in(daemon: Daemon) -> List[Site]:
    """Two tenants with all that conversations know: edits, recalls, notes, claims, closes, refusals, voids, receipts."""
    sites = [await Site.make(daemon, slug="shop"), await Site.make(daemon, slug="bank")]
    for site in sites:
        agent = await site.agent("Li Na")
        for name in ("first", "second", "third"):
            visitor = await site.visitor(f"{site.tenant} {name}")
            await visitor.tell(f"{name} at {site.tenant} 你好")
            await agent.watch(visitor.own)
            for i in range(5):
                await visitor.tell(f"text {i} " + "long " * 300)
            await agent.do(visitor.own, "claim", {})
            await agent.tell("an answer", visitor.own)
            await agent.do(visitor.own, "note", {"text": "only for us"})
            await visitor.do(visitor.own, "edit", {"target": 2, "text": "edited once"})
            await visitor.do(visitor.own, "edit", {"target": 2, "text": "edited twice"})
            await visitor.do(visitor.own, "recall", {"target": 3})
            assert (await visitor.attempt(visitor.own, "note", {"text": "x"}))["code"] == "forbidden"
            assert (await visitor.attempt(visitor.own, "void"))["seq"] == 0
            await agent.shown(visitor.own, 12)
            await agent.wire.send({"t": "read", "conv": visitor.own, "upto": 9})
            if name == "second":
                await agent.do(visitor.own, "close", {"reason": "done"})
            await agent.wire.barrier()
            await visitor.wire.barrier()
    deadline = asyncio.get_running_loop().time() + 20
    while daemon.reader().query("select count(*) from receipt where read_seq = 9") != [(6,)]:  # they are written behind
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
    return sites


def clients(site: Site, role: str) -> List[Any]:
    return [client for client in site.clients if client.role == role]


async def goes_on(sites: List[Site], heads: Dict[str, Tuple[int, int]]) -> None:
    """Everybody comes back to what they had, and the numbers go on."""
    for site in sites:
        agent = clients(site, "agent")[0]
        await agent.connect()
        for visitor in clients(site, "visitor"):
            await visitor.connect()
            assert (await visitor.wire.expect("resumed"))["state"] == "ok", f"{visitor.name} must not begin anew"
            resumed = await agent.watch(visitor.own)
            assert resumed["state"] == "ok"
            assert [mark["read"] for mark in resumed["marks"] if mark["p"] == agent.who] == [9]
            assert resumed["conv"]["status"] == ("closed" if "second" in visitor.name else "active")
        rows = await agent.wire.request({"t": "watch", "view": "mine"}, "rows")
        assert {row["conv"] for row in rows["rows"]} == {v.own for v in clients(site, "visitor") if "second" not in v.name}
        rows = await agent.wire.request({"t": "watch", "view": "closed"}, "rows")
        assert [row["conv"] for row in rows["rows"]] == [v.own for v in clients(site, "visitor") if "second" in v.name]
        for visitor in clients(site, "visitor"):
            assert (await visitor.tell("after the move"))["seq"] == heads[visitor.own][0] + 1


@pytest.mark.parametrize("move", [1, 3], indirect=True, ids=["one shard", "three shards"])
async def test_everything_is_as_it_was(move) -> None:
    daemon = move.daemon
    sites = await lived_in(daemon)
    shop = sites[0]
    console = Rest(daemon)
    await console.post("/session", {"email": shop.people["Li Na"].email, "password": PASSWORD})
    await shop.hire("Wang Wei", "admin")
    await shop.rest_of("Wang Wei").post("/word-lists", {"name": "fruit", "action": "block", "words": ["pineapple"]})
    person = shop.new_visitor()
    wire = await shop.wire(person)
    own = wire.ready["conv"]["conv"]
    first = await send(wire, own, 1, "hello")
    refused = await send(wire, own, 2, "x" * 5000)
    assert refused["t"] == "error" and not refused["retry"]
    before, heads = facts(daemon.reader()), daemon.reader().heads()
    numbers = [number for (number,) in daemon.reader().query("select number from conversation")]

    out = await move.done()
    assert "moved to the standard store" in out and 'set store.mode = "standard"' in out and "systemctl restart parley" in out
    await move.over()
    assert facts(daemon.reader()) == before
    await goes_on(sites, heads)

    assert (await console.get("/session"))["account"]["email"] == shop.people["Li Na"].email, "signed in as before"
    assert [each["name"] for each in (await shop.rest_of("Wang Wei").get("/word-lists"))["items"]] == ["fruit"]
    # Repeats of what was sent before the move get their first answers.
    wire = await shop.wire(person, hello={"dev": wire.dev})
    again = await send(wire, own, 1, "hello")
    assert again["dup"] is True and (again["seq"], again["id"], again["ts"]) == (first["seq"], first["id"], first["ts"])
    assert (await send(wire, own, 2, "x" * 5000))["code"] == refused["code"]
    assert (await send(wire, own, 4, "too early"))["expected"] == 3
    assert (await send(wire, own, 3, "next"))["seq"] == 2
    # New conversations and positions are above the old ones.
    new = await shop.visitor("new")
    await new.tell("hello")
    agent = clients(shop, "agent")[0]
    assert (await agent.watch(new.own))["conv"]["number"] > max(numbers)
    assert min(e.pos for e in daemon.reader().entries() if e.conv == new.own) > max(fact[0] for fact in before.values())
    await daemon.restart()
    await new.connect()
    assert (await new.wire.expect("resumed"))["state"] == "ok", "the second start is an ordinary one"


async def test_under_load_nothing_is_lost_or_doubled_and_nobody_begins_anew(move) -> None:
    load = await Load(await Site.make(move.daemon), visitors=6, agents=2, pause_s=0.02).start()
    await load.more_acks(300)
    await move.done()
    await move.over()
    await load.more_acks(200)
    verdict = await load.judge()
    assert verdict.ok, str(verdict)
    assert load.site.history.count("reset") == 0, "cursors stay good"


PHASES = ["before_commit", "between_tables:3", "after_round", "after_comparison", "frozen", "copied", "before_switch", "after_switch"]


@pytest.mark.parametrize("phase", PHASES)
async def test_killed_in_any_phase_it_can_be_run_again(move, phase) -> None:
    name, _, hits = phase.partition(":")
    load = await Load(await Site.make(move.daemon), visitors=3, agents=1, pause_s=0.05).start()
    await load.more_acks(100)
    code, out, err = await move.run("--freeze-seconds", "10", env={"PARLEY_FAULT": f"move.{name}:kill" + (f":{hits}" if hits else "")})
    assert code == -9, f"{out}{err}"
    if name != "after_switch":
        await load.more_acks(50, timeout=40)  # the server goes on, at the latest when the freeze has ended
        assert "going on after position" in await move.done("--freeze-seconds", "10")
        await move.over()
    else:
        assert await move.daemon.wait() == 0, "it had been told"
        move.daemon.settings["store"]["mode"] = "standard"
        move.daemon.spawn()
        assert await move.daemon.wait() == 2, "the new store does not know yet that it is complete"
        assert "migrate-store" in move.daemon.tail(3)
        move.daemon.backing = move.backing
        assert "already" in await move.done()
        await move.daemon.start()
    await load.more_acks(50)
    verdict = await load.judge()
    assert verdict.ok, str(verdict)
    assert load.site.history.count("reset") == 0


@pytest.mark.parametrize("mistake", ["move_loses", "move_forgets_changes"])
async def test_what_a_wrong_copy_would_lose_is_noticed_before_the_switch(move, mistake) -> None:
    visitor = await (await Site.make(move.daemon)).visitor()
    for i in range(3):
        await visitor.tell(f"text {i}")
    assert (await move.run(env={"PARLEY_FAULT": "move.after_round:kill"}))[0] == -9
    await visitor.do(visitor.own, "edit", {"target": 1, "text": "changed after it was copied"})
    code, out, err = await move.run(env={"PARLEY_BREAK": mistake})
    assert code == 1 and visitor.own in err and "nothing was switched" in err, out + err
    assert (await visitor.tell("still here"))["seq"] == 5
    await move.refused("begin again with an empty database")
    move.backing.drop()
    move.backing.postgres.create_database(move.backing.name)
    await move.done()


async def test_the_store_that_was_left_is_not_opened_again(move) -> None:
    daemon = move.daemon
    site = await Site.make(daemon)
    visitor = await site.visitor()
    await visitor.tell("hello")
    await move.done()
    assert await daemon.wait() == 0
    daemon.spawn()
    assert await daemon.wait() == 2
    assert "moved to the standard store" in daemon.tail(1) and "store.mode" in daemon.tail(1)
    assert "already" in await move.done(), "a second run says that it is done"
    move.standard()
    await daemon.start()
    await visitor.connect()
    assert (await visitor.tell("and on"))["seq"] == 2
    assert "already" in await move.done(), "also while the new store lives"
    assert (await visitor.tell("and on"))["seq"] == 3


async def test_switch_changes_the_one_line_of_the_configuration(move) -> None:
    daemon = move.daemon
    daemon.config.chmod(0o640)
    text = daemon.config.read_text(encoding="utf-8").replace("[store]\n", '# where things are\n[store]\nmode = "embedded"  # for now\n')
    daemon.config.write_text(text, encoding="utf-8")
    out = await move.done("--switch")
    assert "says store.mode" in out
    assert daemon.config.read_text(encoding="utf-8") == text.replace('mode = "embedded"', 'mode = "standard"')
    assert daemon.config.stat().st_mode & 0o777 == 0o640


async def test_without_a_server_it_works_on_the_folder(move) -> None:
    daemon = move.daemon
    sites = await lived_in(daemon)
    before, heads = facts(daemon.reader()), daemon.reader().heads()
    await daemon.kill()
    out = await move.done("--json")
    assert '"server_ran":false' in out
    move.standard()
    await daemon.start()
    assert facts(daemon.reader()) == before
    await goes_on(sites, heads)


async def test_a_dry_run_writes_nothing(move) -> None:
    site = await Site.make(move.daemon)
    await (await site.visitor()).tell("hello")
    out = await move.done("--dry-run")
    assert "nothing was changed" in out and "where a server runs" in out
    assert move.query("select count(*) from pg_tables where schemaname = 'public'") == [(0,)]
    assert move.backing.keys() == []


async def test_a_target_that_is_in_use_is_left_alone(move) -> None:
    visitor = await (await Site.make(move.daemon)).visitor()
    await visitor.tell("hello")
    await move.done("--dry-run")
    with move.backing.redis.client() as redis:
        redis.hset(f"{move.backing.prefix}:meta", "store_id", "another")
        await move.refused("redis.prefix")
        redis.delete(f"{move.backing.prefix}:meta")
    move.query("insert into account (id, email, password_hash, created_ns) values (1, 'x@y.test', '', 0)")
    await move.refused("empty database")
    move.query("delete from account")
    move.query("insert into store_meta values ('move', '{\"state\": \"copying\", \"source\": \"another\"}')")
    await move.refused("another embedded store")
    assert (await visitor.tell("still here"))["seq"] == 2


@pytest.mark.parametrize("which", ["redis", "postgres"])
async def test_servers_that_are_down_are_named_and_the_daemon_is_unharmed(move, which) -> None:
    visitor = await (await Site.make(move.daemon)).visitor()
    await visitor.tell("hello")
    move.daemon.settings["redis" if which == "redis" else "postgres"]["url"] = "redis://127.0.0.1:1/0" if which == "redis" else "host=127.0.0.1 port=1 dbname=x"
    move.daemon.write_config()
    await move.refused("Redis at 127.0.0.1:1" if which == "redis" else "PostgreSQL")
    assert (await visitor.tell("still here"))["seq"] == 2


async def test_postgres_that_dies_in_the_middle_leaves_everything_as_it_was(tmp_path) -> None:
    servers = Servers()
    daemon = Daemon(tmp_path / "daemon", store="embedded")
    try:
        move = Move(daemon, servers.backing())
        await daemon.start()
        load = await Load(await Site.make(daemon), visitors=3, agents=1, pause_s=0.05).start()
        await load.more_acks(100)
        tool = asyncio.ensure_future(move.run("--freeze-seconds", "10", env={"PARLEY_FAULT": "move.copied:sleep_ms=3000"}))
        deadline = asyncio.get_running_loop().time() + 20
        while "store_frozen" not in daemon.log():
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.02)
        servers.postgres.kill()
        code, out, err = await tool
        assert code == 1 and "PostgreSQL" in err and err.count("\n") == 1, out + err
        assert "store_thawed" in daemon.log(), "not only when the freeze has ended by itself"
        await load.more_acks(50)
        servers.postgres.start()
        await move.done()
        await move.over()
        await load.more_acks(50)
        verdict = await load.judge()
        assert verdict.ok, str(verdict)
    finally:
        await daemon.dispose()
        servers.postgres.dispose()
        servers.redis.dispose()


@pytest.mark.parametrize("move", [1, 3], indirect=True, ids=["one shard", "three shards"])
async def test_an_old_history_is_found_by_search(move) -> None:
    await lived_in(move.daemon)
    await move.done()
    await move.over()
    expected = sorted((int(e.conv), e.seq) for e in move.daemon.reader().entries() if e.seq and e.type in ("text", "note") and e.body)
    assert len(expected) == 42 and min(pos for (pos,) in move.query("select pos from message")) < 4096, "below what the journal itself counts"
    deadline = asyncio.get_running_loop().time() + 20
    while sorted(move.query("select conv, seq from message_search")) != expected:
        assert asyncio.get_running_loop().time() < deadline, move.query("select * from search_progress")
        await asyncio.sleep(0.1)
