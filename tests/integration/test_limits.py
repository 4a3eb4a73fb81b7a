"""What the server does with clients that are wrong, slow, silent or too many."""
import asyncio
import json
import os

import pytest
from parley_test.proxy import DOWN, Proxy
from parley_test.site import ORIGIN, Site
from parley_test.wire import Gone, RawSocket, Refused, Wire, new_dev

# What one client may cost. AddressSanitizer keeps what is freed for a while (its quarantine), so under it the figure says less.
MEMORY_MAX = (384 if "ASAN_OPTIONS" in os.environ else 64) << 20


async def test_a_silent_visitor_is_pinged_and_closed_with_4003(daemon) -> None:
    site = await Site.make(daemon)
    wire = await site.wire()
    wire.auto_pong = False
    began = asyncio.get_running_loop().time()
    assert await wire.ended(10) == (4003, {"code": "heartbeat"})
    took = asyncio.get_running_loop().time() - began
    assert wire.pings >= 1 and took >= 2


async def test_any_traffic_counts_as_an_answer(daemon) -> None:
    site = await Site.make(daemon)
    wire = await site.wire()
    wire.auto_pong = False
    for _ in range(14):
        await wire.send({"t": "vis", "on": True})
        await asyncio.sleep(0.4)
    assert wire.alive, "5.6 s without a pong, interval + grace are 4 s"


async def test_malformed_frames_are_answered_and_the_connection_lives(daemon) -> None:
    site = await Site.make(daemon)
    wire = await site.wire()
    conv = wire.ready["conv"]["conv"]
    cases = [
        ("{", "bad_frame"),
        ("", "bad_frame"),
        ("null", "bad_frame"),
        ('"hello"', "bad_frame"),
        ('{"t":1}', "bad_frame"),
        ('{"id":5}', "bad_frame"),
        ('{"t":"dance","id":5}', "unknown_frame"),
        ('{"t":"send","id":5,"conv":"x","n":1,"type":"text","body":{"text":"a"}}', "bad_frame"),
        (f'{{"t":"send","id":5,"conv":{conv},"n":1,"type":"text","body":{{"text":"a"}}}}', "bad_frame"),
    ]
    for text, code in cases:
        await wire.send_text(text)
        error = await wire.expect("error")
        assert (error["status"], error["code"], error["retry"]) == (400, code, False), text
        assert error["ref"]
    await wire.barrier()


@pytest.mark.parametrize(
    "body",
    ['{"text":"a\\u0000b"}', '{"text":"\\ud800"}', '{"text":1}', '{"txt":"x"}', "[]", '"x"', '{"text":null}'],
    ids=["nul", "lone surrogate", "number", "no text", "array", "string", "null"],
)
async def test_bad_bodies_name_the_field(daemon, body) -> None:
    site = await Site.make(daemon)
    wire = await site.wire()
    conv = wire.ready["conv"]["conv"]
    await wire.send_text('{"t":"send","id":5,"conv":"%s","n":1,"type":"text","body":%s}' % (conv, body))
    error = await wire.expect("error")
    assert error["status"] == 400 and error["code"] == "bad_frame" and error["field"].startswith("body"), error
    await wire.send_text('{"t":"send","id":6,"conv":"%s","n":2,"type":"text","body":{"text":"fine"},"unknown":{"deep":[1,2]}}' % conv)
    follow = await wire.expect("ack", "error", where=lambda f: f.get("re") == 6)
    assert follow["t"] == "ack" or follow["code"] == "out_of_order"


async def test_too_many_malformed_frames_close_with_4500(daemon) -> None:
    site = await Site.make(daemon)
    wire = await site.wire()
    for _ in range(12):
        await wire.send_text("{")
    assert await wire.ended() == (4500, {"code": "protocol"})


async def test_unknown_fields_are_ignored(daemon) -> None:
    site = await Site.make(daemon)
    wire = await site.wire(hello={"future": {"a": [1, {"b": None}]}, "caps": ["x"]})
    frame = {"t": "send", "conv": wire.ready["conv"]["conv"], "n": 1, "type": "text", "body": {"text": "x", "later": {"y": 1}}, "more": True}
    assert (await wire.request(frame, "ack"))["seq"] == 1
    assert (await wire.expect("entry"))["body"] == {"text": "x"}, "what is not known is not stored"


async def test_a_message_above_64_kib_closes_with_1009(daemon) -> None:
    site = await Site.make(daemon)
    wire = await site.wire()
    fitting = json.dumps({"t": "probe", "id": 3, "pad": "x" * 65000})
    await wire.send_text(fitting)
    await wire.expect("pong")
    await wire.send_text('{"t":"probe","pad":"' + "x" * 70000 + '"}')
    assert (await wire.ended())[0] == 1009


async def test_binary_messages_close_with_4500(daemon) -> None:
    site = await Site.make(daemon)
    wire = await site.wire()
    await wire.send_text(b'{"t":"probe"}')
    assert (await wire.ended())[0] == 4500


@pytest.mark.parametrize(
    "data, code",
    [
        (RawSocket.frame(b'{"t":"probe"}', masked=False), 1002),
        (RawSocket.frame(b"x", opcode=3), 1002),
        (RawSocket.frame(b"x", rsv=4), 1002),
        (RawSocket.frame(b"x" * 126, opcode=9), 1002),
        (RawSocket.frame(b"x", opcode=9, fin=False), 1002),
        (RawSocket.frame(b"x", opcode=0), 1002),
        (RawSocket.frame(b"\xff\xfe"), 1007),
        (RawSocket.frame(b"\xc0\xaf"), 1007),
        (RawSocket.frame(b"", length=1 << 40), 1009),
    ],
    ids=["unmasked", "unknown opcode", "reserved bit", "long ping", "split ping", "lone continuation", "not UTF-8", "overlong UTF-8", "terabyte"],
)
async def test_broken_websocket_frames_close_by_rfc_6455(daemon, data, code) -> None:
    raw = await RawSocket.open(daemon.port)
    raw.write(data)
    assert await raw.close_code() == code
    await raw.close()


async def test_fragments_and_dribbled_bytes_are_one_message(daemon) -> None:
    raw = await RawSocket.open(daemon.port)
    data = RawSocket.frame(b'{"t":"pro', fin=False) + RawSocket.frame(b"!", opcode=9) + RawSocket.frame(b'be","id":4}', opcode=0)
    for i in range(len(data)):
        raw.write(data[i : i + 1])
        await raw.writer.drain()
    opcode, payload = await raw.read_frame()
    assert (opcode, payload) == (10, b"!"), "control frames come between"
    opcode, payload = await raw.read_frame()
    assert opcode == 1 and json.loads(payload)["code"] == "unauthenticated"
    await raw.close()


async def lagging_reader(daemon, site, proxy):
    """A visitor behind a link that stopped delivering while an agent writes far more than the window."""
    visitor, agent = await site.visitor("visitor", url=f"ws://127.0.0.1:{proxy.port}/ws"), await site.agent()
    await visitor.tell("hello")
    await agent.watch(visitor.own)
    proxy.hold(DOWN)
    for i in range(1200):
        agent.say(f"{i} " + "x" * 3900, visitor.own)
    await agent.settled(30)
    return visitor, agent


@pytest.mark.timeout(120)
async def test_a_slow_reader_is_told_to_pull_and_misses_nothing(stopped_daemon) -> None:
    stopped_daemon.settings["session"].update({"visitor_ping": "20s", "visitor_grace": "20s", "no_progress": "20s"})
    await stopped_daemon.start()
    site = await Site.make(stopped_daemon)
    async with Proxy(stopped_daemon.port) as proxy:
        before = stopped_daemon.rss_bytes()
        visitor, agent = await lagging_reader(stopped_daemon, site, proxy)
        assert stopped_daemon.rss_bytes() - before < MEMORY_MAX, "5 MB were written for it; the queue is bounded"
        proxy.release(DOWN)
        lag = await visitor.wire.expect("lag", timeout=20)
        assert list(lag["convs"]) == [visitor.own]
        if not visitor.wire.alive:  # 4002: told to pull, and pushed a whole window again before it could
            await visitor.connect()
        await visitor.shown(seq=1201, timeout=30)
        assert len(visitor.conversation(visitor.own).texts()) == 1201
        live = sum(1 for e in visitor.history.of("visitor") if e["ev"] == "shown" and e["via"] == "live")
        assert live < 1201, "not all of it was pushed"


@pytest.mark.timeout(120)
async def test_a_reader_that_takes_nothing_is_closed_with_4002(stopped_daemon) -> None:
    stopped_daemon.settings["session"].update({"visitor_ping": "30s", "visitor_grace": "30s", "no_progress": "1s"})
    await stopped_daemon.start()
    site = await Site.make(stopped_daemon)
    async with Proxy(stopped_daemon.port) as proxy:
        visitor, agent = await lagging_reader(stopped_daemon, site, proxy)
        for _ in range(100):
            if "code=4002" in stopped_daemon.log():
                break
            await asyncio.sleep(0.1)
        assert "code=4002" in stopped_daemon.log()
        proxy.release(DOWN)
        await visitor.wire.ended(20)
        visitor.url = stopped_daemon.ws
        await visitor.connect()
        await visitor.shown(seq=1201, timeout=30)


@pytest.mark.timeout(120)
async def test_answers_and_pages_survive_lagging(stopped_daemon) -> None:
    """Only pushed entries may be dropped for a slow reader: nobody repeats an ack, or a page that was asked for."""
    stopped_daemon.settings["session"].update({"visitor_ping": "30s", "visitor_grace": "30s", "no_progress": "30s"})
    await stopped_daemon.start()
    site = await Site.make(stopped_daemon)
    async with Proxy(stopped_daemon.port) as proxy:
        visitor, agent = await site.visitor("visitor", url=f"ws://127.0.0.1:{proxy.port}/ws"), await site.agent()
        await visitor.tell("hello")
        await agent.watch(visitor.own)
        for i in range(20):
            await agent.tell("x" * 4000, visitor.own)
        await visitor.shown(seq=21)
        proxy.hold(DOWN)
        pages = 150  # 64 KB each: more than kernels and proxy hold
        for number in range(1000, 1000 + pages):
            await visitor.wire.send({"t": "sync", "id": number, "conv": visitor.own, "after": 0, "limit": 100})
        await visitor.wire.send({"t": "send", "id": 4242, "conv": visitor.own, "n": 2, "type": "text", "body": {"text": "in the middle of it"}})
        while len(stopped_daemon.reader().entries()) < 22:
            await asyncio.sleep(0.01)
        proxy.release(DOWN)
        try:
            for number in range(1000, 1000 + pages):
                await visitor.wire.expect("page", where=lambda f, n=number: f.get("re") == n)
            ack = await visitor.wire.expect("ack")
            assert ack["re"] == 4242 and ack["seq"] == 22
            await visitor.shown(seq=22)
        except Gone:
            assert visitor.wire.code == 4002, "an end is an answer too: the client comes back and repeats; silence is not"


@pytest.mark.timeout(120)
async def test_who_asks_for_pages_and_does_not_read_them_costs_little_memory(stopped_daemon) -> None:
    stopped_daemon.settings["session"].update({"visitor_ping": "30s", "visitor_grace": "30s", "no_progress": "30s"})
    await stopped_daemon.start()
    site = await Site.make(stopped_daemon)
    visitor, agent = await site.visitor("visitor"), await site.agent()
    await visitor.tell("hello")
    await agent.watch(visitor.own)
    for i in range(20):
        await agent.tell("x" * 4000, visitor.own)
    visitor.wire.stop_reading()
    before = stopped_daemon.rss_bytes()
    for _ in range(3000):
        await visitor.wire.send({"t": "sync", "conv": visitor.own, "after": 0, "limit": 100})
    await agent.tell("everybody else goes on", visitor.own)
    await asyncio.sleep(1)
    grown = stopped_daemon.rss_bytes() - before
    assert grown < MEMORY_MAX, f"{grown >> 20} MiB for one client that does not read"


async def test_too_many_handshakes_are_sent_away_with_a_time_to_come_back(stopped_daemon) -> None:
    stopped_daemon.settings["session"]["handshakes_per_second"] = 5
    stopped_daemon.settings["server"]["reactors"] = 1
    await stopped_daemon.start()

    async def knock():
        try:
            wire = await Wire.open(stopped_daemon.ws, origin=ORIGIN)
        except Refused as refused:
            return refused
        return wire

    results = await asyncio.gather(*(knock() for _ in range(60)))
    refused = [r for r in results if isinstance(r, Refused)]
    wires = [r for r in results if isinstance(r, Wire)]
    assert refused and all(r.status == 503 and int(r.headers["Retry-After"]) >= 1 for r in refused)
    await asyncio.sleep(0.3)
    sent_away = [w for w in wires if any(f["t"] == "bye" for f in w.inbox)]
    assert sent_away, "some are told when to come back"
    for wire in sent_away[:3]:
        bye = await wire.expect("bye")
        assert bye["delay_ms"] > 0
        assert (await wire.ended())[0] == 4006
    assert len(wires) - len(sent_away) >= 5
