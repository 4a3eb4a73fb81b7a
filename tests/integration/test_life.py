"""Start, stop and what operators see."""
import asyncio
import json
import re
import signal
import sqlite3

import aiohttp
import pytest
from parley_test.client import Client
from parley_test.daemon import ROOT, Daemon
from parley_test.site import ORIGIN, PASSWORD, Site
from parley_test.wire import Refused, Wire


async def failing_start(daemon: Daemon, codes: tuple = (2,)) -> str:
    """What a start says that must end by itself."""
    already = len(daemon.log().splitlines())
    daemon.spawn()
    assert await daemon.wait(10) in codes, daemon.tail()
    return "\n".join(daemon.log().splitlines()[already:])


async def test_drain_says_bye_closes_with_4000_and_exits_with_0(daemon) -> None:
    site = await Site.make(daemon)
    visitor, agent = await site.visitor(), await site.agent()
    await visitor.tell("hello")
    daemon.signal(signal.SIGTERM)
    for client in (visitor, agent):
        bye = await client.wire.expect("bye")
        assert 0 <= bye["delay_ms"] <= 10_000
        assert await client.wire.ended() == (4000, {"code": "drain"})
    assert await daemon.wait() == 0
    await daemon.start()
    await visitor.connect()
    assert (await visitor.wire.expect("resumed"))["state"] == "ok"


async def test_readiness_ends_when_the_drain_begins(stopped_daemon) -> None:
    stopped_daemon.settings["server"]["drain"] = "3s"
    await stopped_daemon.start()
    site = await Site.make(stopped_daemon)
    visitor = await site.visitor()
    stopped_daemon.signal(signal.SIGTERM)
    await visitor.wire.expect("bye")
    async with aiohttp.ClientSession() as http:
        async with http.get(stopped_daemon.ops + "/readyz") as answer:
            assert answer.status == 503 and "draining" in (await answer.text())
    with pytest.raises((OSError, Refused)):
        await Wire.open(stopped_daemon.ws)
    await visitor.close()
    assert await stopped_daemon.wait(10) == 0


async def test_sends_during_the_drain_are_answered_or_safe_to_repeat(daemon) -> None:
    site = await Site.make(daemon)
    visitor = await site.visitor()
    await visitor.tell("hello")
    for i in range(200):
        visitor.say(f"text {i}")
    daemon.signal(signal.SIGTERM)
    assert await daemon.wait() == 0
    await daemon.start()
    await visitor.connect()
    await visitor.settled(20)
    await visitor.shown(seq=201)
    assert visitor.conversation(visitor.own).texts() == ["hello"] + [f"text {i}" for i in range(200)]


@pytest.mark.parametrize(
    "section, key, value, words",
    [
        ("server", "prot", 8080, ["server.prot"]),
        ("server", "port", 70000, ["server.port", "65535"]),
        ("server", "listen", "nowhere", ["server.listen"]),
        ("session", "hello", "soon", ["session.hello"]),
        ("session", "visitor_window", 1, ["session.visitor_window", "16384"]),
        ("log", "level", "loud", ["log.level", "debug"]),
        ("tenant", "wide", ["shop"], ["tenant.wide"]),
    ],
)
async def test_a_wrong_configuration_is_named_in_one_line(stopped_daemon, section, key, value, words) -> None:
    stopped_daemon.settings[section][key] = value
    said = await failing_start(stopped_daemon)
    assert len(said.splitlines()) == 1, said
    for word in words + ["parley.toml"]:
        assert word in said, said
    checked = stopped_daemon.cli("check-config", "--config", str(stopped_daemon.config), check=False)
    assert checked.returncode == 2 and words[0] in checked.stderr


async def test_unknown_environment_names_are_refused(stopped_daemon) -> None:
    stopped_daemon.env["PARLEY_SERVER__PROT"] = "1"
    assert "PARLEY_SERVER__PROT" in await failing_start(stopped_daemon)


async def test_a_second_daemon_on_the_same_folder_does_not_start(daemon, tmp_path) -> None:
    second = Daemon(tmp_path / "second", {"store": {"folder": str(daemon.data)}})
    said = await failing_start(second, (1, 2))
    assert str(daemon.data) in said and len(said.splitlines()) == 1, said
    assert daemon.running
    await daemon.until_ready()


async def test_a_taken_port_is_named(daemon, tmp_path) -> None:
    second = Daemon(tmp_path / "second", {"server": {"port": daemon.port}})
    said = await failing_start(second)
    assert str(daemon.port) in said, said


@pytest.mark.embedded_only
async def test_a_schema_of_the_future_is_not_touched(daemon) -> None:
    await Site.make(daemon)
    await daemon.stop()
    with sqlite3.connect(daemon.data / "parley.db") as database:
        database.execute("insert into schema_version (version, applied_ns) values (9999, 1)")
    database.close()
    before = (daemon.data / "parley.db").read_bytes()
    said = await failing_start(daemon, (1, 2))
    assert "newer" in said and len(said.splitlines()) == 1, said
    assert (daemon.data / "parley.db").read_bytes() == before


async def test_operators_see_health_and_metrics(daemon) -> None:
    site = await Site.make(daemon)
    visitor = await site.visitor()
    await visitor.tell("hello")
    async with aiohttp.ClientSession() as http:
        for path in ("/healthz", "/readyz"):
            async with http.get(daemon.ops + path) as answer:
                assert answer.status == 200 and (await answer.json(content_type=None))["status"] in ("ok", "ready")
        async with http.get(daemon.ops + "/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            text = await answer.text()
        async with http.get(daemon.http + "/metrics") as answer:
            assert answer.status == 404, "not on the public port"
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert {"parley_build_info", "parley_journal_commits", "parley_journal_items", "parley_reactor_loop_lag_seconds"} <= names
    documented = set(re.findall(r"^\| `([a-z_]+)`", (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8"), re.M))
    assert names <= documented, f"not in docs/metrics.md: {sorted(names - documented)}"
    helped = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")}
    assert names <= helped, "every metric says what it is"
    metrics = await daemon.metrics()
    assert metrics["parley_journal_items"] >= 1
    for word in (visitor.own, visitor.person.id, "hello"):
        assert word not in text


async def test_gauges_return_to_zero(daemon) -> None:
    site = await Site.make(daemon)
    clients = [await site.visitor() for _ in range(10)]
    for client in clients:
        await client.tell("hello")
    agent = await site.agent()
    busy = await daemon.metrics()
    gauges = [k for k in busy if k.startswith(("parley_session_live", "parley_net_connections{kind=\"ws", "chat_online_visitors"))]
    assert sum(busy[k] for k in gauges) >= 21, {k: busy[k] for k in gauges}
    for client in clients + [agent]:
        await client.close()
    for _ in range(100):
        now = await daemon.metrics()
        if all(now[k] == 0 for k in gauges):
            return
        await asyncio.sleep(0.05)
    raise AssertionError({k: now[k] for k in gauges if now[k]})


@pytest.mark.parametrize("format", ["text", "json"])
async def test_the_log_holds_no_texts_tokens_or_passwords(stopped_daemon, format) -> None:
    stopped_daemon.settings["log"].update({"level": "trace", "format": format})
    await stopped_daemon.start()
    site = await Site.make(stopped_daemon)
    visitor, agent = await site.visitor(), await site.agent()
    secret = "very-private-words-55"
    await visitor.tell(secret)
    await agent.watch(visitor.own)
    await agent.do(visitor.own, "note", {"text": secret})
    await visitor.attempt(None, "text", {"text": secret * 400})
    await visitor.wire.send_text('{"t":"send","id":1,"conv":"%s","n":99,"type":"text","body":{"text":"%s\\u0000"}}' % (visitor.own, secret))
    await visitor.wire.barrier()
    rest = site.rest
    await rest.fails("POST", "/session", 401, {"email": site.people["Li Na"].email, "password": secret})
    await rest.post("/session", {"email": site.people["Li Na"].email, "password": PASSWORD})
    await site.rest_of("Li Na").get("/conversations?view=open")
    await stopped_daemon.stop()
    log = stopped_daemon.log()
    cookie = next(iter(rest.cookies.values()))
    for word in (secret, PASSWORD, site.people["Li Na"].token, visitor.person.last, visitor.person.refresh, cookie):
        assert word not in log
    if format == "json":
        for line in log.splitlines():
            if line.startswith("{"):
                assert json.loads(line)


async def test_a_wide_tenant_uses_several_reactors(stopped_daemon) -> None:
    stopped_daemon.settings["tenant"]["wide"] = ["shop=2"]
    await stopped_daemon.start()
    site = await Site.make(stopped_daemon)
    agent = await site.agent()
    visitors = [await site.visitor() for _ in range(24)]
    for visitor in visitors:
        await visitor.tell("hello")
        await agent.watch(visitor.own)
    before = await stopped_daemon.metrics()
    for _ in range(5):
        await asyncio.gather(*(v.tell("again") for v in visitors))
    after = await stopped_daemon.metrics()
    busy = {k: after[k] - before[k] for k in after if k.startswith("parley_reactor_busy_seconds")}
    live = {k: v for k, v in after.items() if k.startswith("parley_session_live") and v}
    assert len(busy) == 2 and min(busy.values()) > max(busy.values()) / 20, f"one reactor did all: {busy} {live}"
    for visitor in visitors:
        await agent.shown(visitor.own, 6)
    rows = await agent.wire.request({"t": "watch", "view": "waiting", "limit": 100}, "rows")
    assert len(rows["rows"]) == 24 and rows["counts"]["waiting"] == 24


async def test_the_daemon_survives_the_loss_of_its_clients_and_keeps_ids_growing(daemon) -> None:
    site = await Site.make(daemon)
    visitor = await site.visitor()
    ids = [int((await visitor.tell("one"))["id"])]
    for _ in range(3):
        await daemon.kill()
        await daemon.start()
        await visitor.connect()
        ids.append(int((await visitor.tell("more"))["id"]))
    assert ids == sorted(set(ids)), "ids grow over restarts"
    assert [e.seq for e in daemon.reader().entries()] == [1, 2, 3, 4]


@pytest.mark.embedded_only
async def test_the_journal_can_be_read_from_the_command_line(daemon) -> None:
    site = await Site.make(daemon)
    visitor = await site.visitor()
    await visitor.tell("words for the file")
    done = daemon.cli("journal", "cat", "--data", str(daemon.data))
    assert "words for the file" in done.stdout and visitor.own in done.stdout


async def test_a_client_of_another_site_key_sees_only_its_own(daemon) -> None:
    site, bank = await Site.make(daemon), await Site.make(daemon, slug="bank")
    one, other = await site.visitor(), await bank.visitor()
    assert one.ready["tenant"]["name"] == "Shop" and other.ready["tenant"]["name"] == "Bank"
    assert isinstance(one, Client) and ORIGIN.startswith("https://")
