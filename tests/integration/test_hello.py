"""Connecting: hello, ready, resume, reset, and every way of being turned away."""
import time

import pytest
from parley_test.site import ORIGIN, Site
from parley_test.wire import Gone, Refused, Wire, new_dev


async def hello(site: Site, **fields) -> Wire:
    wire = await Wire.open(site.daemon.ws, origin=ORIGIN)
    token = fields.pop("token", None) or await site.new_visitor().token()
    await wire.send({"t": "hello", "id": 1, "ver": 1, "role": "visitor", "token": token, "dev": new_dev(), "vis": True, "cursors": {}, **fields})
    return wire


async def test_a_visitor_is_welcomed_with_a_reserved_conversation(daemon) -> None:
    site = await Site.make(daemon)
    wire = await site.wire()
    ready = wire.ready
    assert wire.subprotocol == "parley.v1"
    assert ready["re"] == 1 and ready["gen"] == 1 and ready["sid"] and ready["resume"]
    assert ready["hb"] == {"interval_ms": 2000, "grace_ms": 2000}
    limits = ready["limits"]
    assert (limits["text"], limits["entry"], limits["inflight"], limits["frame"]) == (4000, 16384, 16, 65536)
    assert limits["window"] == 131072
    assert abs(ready["ts"] - time.time() * 1000) < 60_000
    assert ready["min_version"] == 1
    assert ready["me"]["k"] == "v" and ready["me"]["id"].isdigit()
    assert ready["tenant"] == {"id": site.tenant_id, "name": "Shop"}
    assert ready["online"] is False
    assert ready["conv"]["status"] == "new" and ready["conv"]["head"] == 0 and ready["conv"]["conv"].isdigit()
    assert "number" not in ready["conv"] and "pos" not in ready["conv"]


async def test_an_agent_is_welcomed_with_role_and_colleagues(daemon) -> None:
    site = await Site.make(daemon)
    boss = await site.hire("Wang Wei", "supervisor")
    agent = await site.agent("Li Na")
    ready = agent.ready
    assert ready["me"] == {"k": "a", "id": site.people["Li Na"].id, "name": "Li Na", "role": "agent"}
    assert {a["id"] for a in ready["agents"]} == {boss.id, site.people["Li Na"].id}
    assert ready["limits"]["window"] == 524288
    assert "conv" not in ready and "online" not in ready


async def test_no_hello_in_time_closes_with_4008(stopped_daemon) -> None:
    stopped_daemon.settings["session"]["hello"] = "300ms"
    await stopped_daemon.start()
    wire = await Wire.open(stopped_daemon.ws)
    assert await wire.ended(5) == (4008, {"code": "no_hello"})


async def test_frames_before_hello_are_refused_and_hello_may_follow(daemon) -> None:
    site = await Site.make(daemon)
    wire = await Wire.open(daemon.ws, origin=ORIGIN)
    error = await wire.request({"t": "probe"}, "error")
    assert (error["status"], error["code"], error["retry"]) == (401, "unauthenticated", False)
    await wire.request({"t": "hello", "ver": 1, "role": "visitor", "token": await site.new_visitor().token(), "dev": new_dev(), "vis": True, "cursors": {}}, "ready")


@pytest.mark.parametrize("token", ["", "nonsense", "a.b", "x" * 500])
async def test_a_bad_token_closes_with_4501(daemon, token) -> None:
    site = await Site.make(daemon)
    wire = await hello(site, token=token or "-")
    assert (await wire.ended())[0] == 4501
    assert wire.reason == {"code": "auth"}


async def test_a_damaged_token_closes_with_4501(daemon) -> None:
    site = await Site.make(daemon)
    token = await site.new_visitor().token()
    flipped = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    assert (await (await hello(site, token=flipped)).ended())[0] == 4501


async def test_a_refresh_token_is_no_access_token(daemon) -> None:
    site = await Site.make(daemon)
    visitor = site.new_visitor()
    await visitor.token()
    assert (await (await hello(site, token=visitor.refresh)).ended())[0] == 4501


async def test_a_visitors_token_makes_nobody_an_agent(daemon) -> None:
    site = await Site.make(daemon)
    wire = await hello(site, role="agent")
    assert (await wire.ended())[0] == 4501


async def test_an_agent_needs_a_valid_bearer_token(daemon) -> None:
    site = await Site.make(daemon)
    await site.hire("Li Na")
    wire = await hello(site, role="agent", token="pat_" + "A" * 43)
    assert (await wire.ended())[0] == 4501


async def test_a_withdrawn_bearer_token_ends(daemon) -> None:
    site = await Site.make(daemon)
    await site.hire("Li Na")
    rest = site.rest_of("Li Na")
    made = await rest.post("/tokens", {"name": "robot"})
    site.people["Li Na"].token = made["token"]
    agent = await site.agent("Li Na")
    await rest.delete(f"/tokens/{made['id']}")
    await agent.close()
    with pytest.raises(Gone, match="4501"):
        await agent.connect()


async def test_a_foreign_origin_closes_with_4504(daemon) -> None:
    site = await Site.make(daemon)
    token = await site.new_visitor().token()
    for origin in ("https://evil.example", "https://shop.example.evil.example", "http://shop.example", None):
        wire = await Wire.open(daemon.ws, origin=origin)
        await wire.send({"t": "hello", "id": 1, "ver": 1, "role": "visitor", "token": token, "dev": new_dev(), "vis": True, "cursors": {}})
        assert (await wire.ended())[0] == 4504, origin


async def test_the_daemons_own_origin_is_always_allowed(daemon) -> None:
    site = await Site.make(daemon)
    wire = await Wire.open(daemon.ws, origin=daemon.http)
    await wire.request({"t": "hello", "ver": 1, "role": "visitor", "token": await site.new_visitor().token(), "dev": new_dev(), "vis": True, "cursors": {}}, "ready")


async def test_resume_keeps_the_sid_and_ends_the_older_socket(daemon) -> None:
    site = await Site.make(daemon)
    client = await site.visitor()
    await client.tell("hello")
    first = client.wire
    sid, gen = client.ready["sid"], client.ready["gen"]
    await client.connect()
    assert client.ready["sid"] == sid
    assert client.ready["gen"] == gen + 1
    assert await first.ended() == (4505, {"code": "superseded"})
    assert client.wire.alive


async def test_a_hello_without_resume_is_another_session(daemon) -> None:
    site = await Site.make(daemon)
    client = await site.visitor()
    sid = client.ready["sid"]
    client.resume = None
    first = client.wire
    await client.connect()
    assert client.ready["sid"] != sid
    assert first.alive, "nobody ends another tab"
    await first.close()


async def test_a_foreign_or_damaged_resume_closes_with_4100(daemon) -> None:
    site = await Site.make(daemon)
    one, other = await site.visitor(), await site.visitor()
    for resume in (one.resume, "garbage", other.resume[:-3] + "AAA", await other.person.token()):
        wire = await hello(site, token=await other.person.token(), resume=resume)
        assert await wire.ended() == (4100, {"code": "resume_invalid"}), resume


async def test_a_cursor_gets_exactly_what_was_missed(daemon) -> None:
    site = await Site.make(daemon)
    visitor, agent = await site.visitor(), await site.agent()
    await visitor.tell("one")
    await agent.watch(visitor.own)
    await visitor.close()
    for i in range(30):
        await agent.tell(f"missed {i}", visitor.own)
    await visitor.connect()
    resumed = await visitor.wire.expect("resumed", where=lambda f: f["conv"]["conv"] == visitor.own)
    assert resumed["state"] == "ok" and resumed["more"] is False
    await visitor.shown(seq=31)
    assert visitor.conversation(visitor.own).texts() == ["one"] + [f"missed {i}" for i in range(30)]
    live = [e for e in visitor.history.of(visitor.name) if e["ev"] == "shown"]
    assert len(live) == 31, "nothing came twice"


async def test_a_cursor_at_head_is_ok_and_brings_nothing(daemon) -> None:
    site = await Site.make(daemon)
    visitor = await site.visitor()
    await visitor.tell("one")
    await visitor.shown(seq=1)
    await visitor.close()
    await visitor.connect()
    resumed = await visitor.wire.expect("resumed")
    assert resumed["state"] == "ok" and resumed["more"] is False
    await visitor.wire.barrier()
    assert visitor.wire.take("entry") == []


async def test_more_than_200_missed_entries_are_paged(daemon) -> None:
    site = await Site.make(daemon)
    visitor, agent = await site.visitor(), await site.agent()
    await visitor.tell("one")
    await agent.watch(visitor.own)
    await visitor.shown(seq=1)
    await visitor.close()
    for i in range(450):
        agent.say(f"missed {i}", visitor.own)
    await agent.settled(30)
    await visitor.connect()
    resumed = await visitor.wire.expect("resumed")
    assert resumed["state"] == "ok" and resumed["more"] is True
    await visitor.shown(seq=451, timeout=20)
    assert len(visitor.conversation(visitor.own).texts()) == 451


@pytest.mark.parametrize("spoil", ["epoch", "seq"])
async def test_a_cursor_that_means_nothing_here_is_reset(daemon, spoil) -> None:
    site = await Site.make(daemon)
    visitor, agent = await site.visitor(), await site.agent()
    await visitor.tell("one")
    await agent.watch(visitor.own)
    for i in range(80):
        agent.say(f"answer {i}", visitor.own)
    await agent.settled(30)
    await visitor.shown(seq=81)
    await visitor.close()
    cursor = visitor.conversation(visitor.own).cursor
    if spoil == "epoch":
        cursor.epoch = "other"
    else:
        cursor.seq = 10_000
    await visitor.connect()
    resumed = await visitor.wire.expect("resumed")
    assert resumed["state"] == "reset" and resumed["more"] is True, "older entries exist"
    await visitor.shown(seq=81)
    entries = visitor.wire.take("entry")
    assert [e["seq"] for e in entries] == list(range(32, 82)), "the newest page: 50 entries"


async def test_without_a_cursor_comes_the_newest_page(daemon) -> None:
    site = await Site.make(daemon)
    visitor, agent = await site.visitor(), await site.agent()
    await visitor.tell("one")
    await agent.watch(visitor.own)
    for i in range(59):
        agent.say(f"answer {i}", visitor.own)
    await agent.settled(30)
    second_tab = await site.visitor("second tab", visitor.person)
    resumed = await second_tab.wire.expect("resumed")
    assert resumed["state"] == "ok" and resumed["more"] is True
    await second_tab.shown(seq=60)
    assert sorted(second_tab.conversation(visitor.own).entries) == list(range(11, 61))


async def test_a_cursor_of_somebody_elses_conversation_is_unknown(daemon) -> None:
    site = await Site.make(daemon)
    one = await site.visitor()
    await one.tell("mine")
    foreign = {one.own: [one.conversation(one.own).info.get("epoch") or "aaaa", 1]}
    wire = await site.wire(hello={"cursors": foreign})
    error = await wire.expect("error")
    assert (error["status"], error["code"], error["conv"]) == (404, "unknown_conv", one.own)
    await wire.barrier()
    assert not wire.take("entry")


async def test_refresh_extends_a_session_in_band(daemon) -> None:
    site = await Site.make(daemon)
    visitor = await site.visitor()
    answer = await visitor.wire.request({"t": "refresh", "token": await visitor.person.token()}, "ready")
    assert answer["refresh"] is True and answer["resume"]
    visitor.resume = answer["resume"]
    await visitor.connect()
    other = await site.visitor()
    await visitor.wire.send({"t": "refresh", "id": 77, "token": await other.person.token()})
    reply = await visitor.wire.expect("error", where=lambda f: f.get("re") == 77)
    assert reply["status"] in (401, 403), "another person's token is not a refresh"


async def test_a_second_hello_is_refused_and_harmless(daemon) -> None:
    site = await Site.make(daemon)
    wire = await site.wire()
    error = await wire.request({"t": "hello", "ver": 1, "role": "visitor", "token": "x", "dev": new_dev(), "vis": True, "cursors": {}}, "error")
    assert error["code"] == "bad_frame"
    await wire.barrier()


async def test_an_upgrade_elsewhere_or_without_the_subprotocol_is_refused(daemon) -> None:
    with pytest.raises(Refused) as refused:
        await Wire.open(daemon.ws.replace("/ws", "/elsewhere"))
    assert refused.value.status == 404
    with pytest.raises(Refused) as refused:
        await Wire.open(daemon.ws, subprotocols=("other.v1",))
    assert refused.value.status == 400
