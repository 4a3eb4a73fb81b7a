"""One send, one entry: acknowledgement, repetition, holes, conflicts, refusals."""
import asyncio

import pytest
from parley_test.client import INFLIGHT_MAX
from parley_test.site import Site
from parley_test.wire import new_dev


async def send(wire, conv: str, n: int, text: str = "hello", type: str = "text", **extra):
    frame = {"t": "send", "conv": conv, "n": n, "type": type, **extra}
    if type != "void":
        frame.setdefault("body", {"text": text})
    return await wire.request(frame, "ack", "error")


async def start(daemon):
    site = await Site.make(daemon)
    wire = await site.wire()
    return site, wire, wire.ready["conv"]["conv"]


async def test_an_ack_says_where_the_entry_stands(daemon) -> None:
    _, wire, conv = await start(daemon)
    ack = await send(wire, conv, 1)
    assert ack["t"] == "ack" and ack["conv"] == conv and ack["n"] == 1 and ack["seq"] == 1
    assert not ack.get("dup")
    if ack["stable"] < ack["seq"]:
        assert daemon.backing, "the embedded store archives nothing later"
        assert (await wire.expect("stable"))["upto"] == 1
    assert ack["id"].isdigit() and 4 <= len(ack["epoch"]) <= 16
    entry = await wire.expect("entry")
    assert (entry["seq"], entry["id"], entry["n"], entry["dev"], entry["rev"]) == (1, ack["id"], 1, wire.dev, 1)
    assert entry["from"]["k"] == "v" and entry["body"] == {"text": "hello"} and entry["ts"] == ack["ts"]
    assert entry["state"] == {"status": "waiting", "claim": 0, "assignee": None}


async def test_a_repeat_gets_the_first_answer_and_stores_nothing(daemon) -> None:
    _, wire, conv = await start(daemon)
    first = await send(wire, conv, 1)
    for _ in range(3):
        again = await send(wire, conv, 1)
        assert again["dup"] is True
        assert {k: again[k] for k in ("seq", "id", "ts", "epoch", "n")} == {k: first[k] for k in ("seq", "id", "ts", "epoch", "n")}
    assert (await send(wire, conv, 2))["seq"] == 2
    await wire.barrier()
    assert [e["seq"] for e in wire.take("entry")] == [1, 2]
    assert len(daemon.reader().entries()) == 2


async def test_a_repeat_on_another_socket_and_after_a_restart_is_known(daemon) -> None:
    site = await Site.make(daemon)
    visitor = site.new_visitor()
    wire = await site.wire(visitor)
    conv = wire.ready["conv"]["conv"]
    first = await send(wire, conv, 1)
    other = await site.wire(visitor, hello={"dev": wire.dev})
    again = await send(other, conv, 1)
    assert again["dup"] is True and again["seq"] == first["seq"]
    await daemon.kill()
    await daemon.start()
    late = await site.wire(visitor, hello={"dev": wire.dev})
    again = await send(late, conv, 1)
    assert again["dup"] is True and (again["seq"], again["id"], again["ts"]) == (1, first["id"], first["ts"])
    assert (await send(late, conv, 2))["seq"] == 2


async def test_the_same_number_with_other_content_is_a_conflict(daemon) -> None:
    _, wire, conv = await start(daemon)
    await send(wire, conv, 1, "one")
    error = await send(wire, conv, 1, "another")
    assert (error["status"], error["code"], error["retry"], error["n"]) == (409, "id_conflict", False, 1)
    assert (await send(wire, conv, 2))["seq"] == 2, "a conflict uses up nothing"


async def test_a_gap_is_told_what_comes_first(daemon) -> None:
    _, wire, conv = await start(daemon)
    error = await send(wire, conv, 5)
    assert (error["status"], error["code"], error["retry"], error["expected"]) == (412, "out_of_order", True, 1)
    await send(wire, conv, 1)
    error = await send(wire, conv, 3)
    assert error["expected"] == 2
    assert (await send(wire, conv, 2))["seq"] == 2
    assert (await send(wire, conv, 3))["seq"] == 3


async def test_go_back_n_after_a_gap_keeps_the_order(daemon) -> None:
    site = await Site.make(daemon)
    client = await site.visitor()
    await client.tell("1")
    conversation = client.conversation(client.own)
    held = [client.say(str(i)) for i in range(2, 10)]
    for pending in conversation.outbox:  # as if the first of them had been lost on the way
        pending.on_wire = pending.n != 2
    await asyncio.gather(*held)
    assert conversation.texts()[:1] == ["1"]
    await client.shown(seq=9)
    assert conversation.texts() == [str(i) for i in range(1, 10)]


async def test_an_answer_older_than_sixteen_is_forgotten(daemon) -> None:
    _, wire, conv = await start(daemon)
    for n in range(1, 19):
        assert (await send(wire, conv, n, f"text {n}"))["seq"] == n
    assert (await send(wire, conv, 3, "text 3"))["dup"] is True
    error = await send(wire, conv, 2, "text 2")
    assert (error["status"], error["code"], error["retry"]) == (409, "too_old", False)


async def test_an_unknown_dev_must_begin_with_one(daemon) -> None:
    _, wire, conv = await start(daemon)
    await send(wire, conv, 1)
    error = await send(wire, conv, 7, dev=new_dev())
    assert (error["code"], error["expected"]) == ("out_of_order", 1)


async def test_a_void_gives_up_a_number_that_was_not_used(daemon) -> None:
    _, wire, conv = await start(daemon)
    await send(wire, conv, 1)
    ack = await send(wire, conv, 2, type="void")
    assert ack["t"] == "ack" and ack["seq"] == 0
    late = await send(wire, conv, 2, "the send that the void overtook")
    assert late["t"] == "ack" and late["seq"] == 0, "it was given up"
    assert (await send(wire, conv, 3, "next"))["seq"] == 2
    await wire.barrier()
    assert [e["seq"] for e in wire.take("entry")] == [1, 2]


async def test_a_void_of_a_stored_send_returns_its_ack(daemon) -> None:
    _, wire, conv = await start(daemon)
    first = await send(wire, conv, 1)
    ack = await send(wire, conv, 1, type="void")
    assert (ack["t"], ack["seq"], ack["id"]) == ("ack", 1, first["id"])


async def test_refusals_consume_their_number_and_are_remembered(daemon) -> None:
    site, wire, conv = await start(daemon)
    await send(wire, conv, 1)
    refused = await send(wire, conv, 2, type="claim", body={})
    assert (refused["status"], refused["code"], refused["retry"], refused["n"]) == (403, "forbidden", False, 2)
    too_long = await send(wire, conv, 3, "x" * 4001)
    assert (too_long["status"], too_long["code"], too_long["retry"]) == (413, "too_large", False)
    assert (await send(wire, conv, 2, type="claim", body={}))["code"] == "forbidden", "the same answer again"
    assert (await send(wire, conv, 3, "x" * 4001))["code"] == "too_large"
    assert (await send(wire, conv, 4, "fine"))["seq"] == 2
    await daemon.kill()
    await daemon.start()
    visitor = site.new_visitor()
    del visitor
    rows = daemon.reader().entries()
    assert [(r.n, r.seq) for r in rows] == [(1, 1), (2, None), (3, None), (4, 2)], "refusals stand in the journal without a seq"


async def test_a_text_of_4000_code_points_is_taken_whatever_its_bytes(daemon) -> None:
    _, wire, conv = await start(daemon)
    text = "\u4f60" * 4000
    assert (await send(wire, conv, 1, text))["seq"] == 1
    assert (await wire.expect("entry"))["body"]["text"] == text
    assert (await send(wire, conv, 2, text + "x"))["code"] == "too_large"


@pytest.mark.parametrize("text", ["", "   ", "\n\t "])
async def test_an_empty_text_is_refused(daemon, text) -> None:
    _, wire, conv = await start(daemon)
    await send(wire, conv, 1)
    error = await send(wire, conv, 2, text)
    assert error["t"] == "error" and error["status"] == 400 and error["field"] == "body.text"


async def test_text_of_every_script_comes_back_unchanged(daemon) -> None:
    _, wire, conv = await start(daemon)
    texts = ['quotes " and \\ and / and <script>', "\u4f60\u597d\uff0c\u4e16\u754c", "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467", "line\nbreak\ttab", "a\u2028b\u2029c", "\u0645\u0631\u062d\u0628\u0627", "e\u0301"]
    for n, text in enumerate(texts, 1):
        assert (await send(wire, conv, n, text))["t"] == "ack"
        assert (await wire.expect("entry"))["body"]["text"] == text


async def test_another_tabs_outbox_may_be_emptied_under_its_own_dev(daemon) -> None:
    site = await Site.make(daemon)
    visitor = site.new_visitor()
    dead = await site.wire(visitor)
    conv = dead.ready["conv"]["conv"]
    await send(dead, conv, 1, "acknowledged")
    dead.cut()
    heir = await site.wire(visitor)
    assert (await send(heir, conv, 1, "heir's own"))["seq"] == 2
    again = await send(heir, conv, 1, "acknowledged", dev=dead.dev)
    assert again["dup"] is True and again["seq"] == 1 and again["dev"] == dead.dev
    adopted = await send(heir, conv, 2, "left over", dev=dead.dev)
    assert adopted["seq"] == 3 and adopted["dev"] == dead.dev
    entry = await heir.expect("entry", where=lambda f: f["seq"] == 3)
    assert (entry["dev"], entry["n"]) == (dead.dev, 2)


async def test_nobody_can_use_or_probe_anothers_dev(daemon) -> None:
    site = await Site.make(daemon)
    visitor, agent = await site.wire(), await site.agent_wire()
    conv = visitor.ready["conv"]["conv"]
    await send(visitor, conv, 1, "mine")
    answer = await send(agent, conv, 1, "mine", dev=visitor.dev)
    assert answer["t"] == "ack" and answer["seq"] == 2, "the key contains who sends: another person's n is another n"
    assert (await send(visitor, conv, 2, "next"))["seq"] == 3


async def test_a_send_to_anothers_or_no_conversation_is_unknown(daemon) -> None:
    site = await Site.make(daemon)
    one, other = await site.wire(), await site.wire()
    await send(one, one.ready["conv"]["conv"], 1)
    for conv in (one.ready["conv"]["conv"], "4611686018427387904", "12345"):
        error = await send(other, conv, 1)
        assert (error["status"], error["code"]) == (404, "unknown_conv"), conv


async def test_sixteen_sends_may_be_under_way_and_all_arrive_in_order(daemon) -> None:
    site = await Site.make(daemon)
    client = await site.visitor()
    answers = [client.say(f"text {i}") for i in range(100)]
    acks = await asyncio.gather(*answers)
    assert [a["seq"] for a in acks] == list(range(1, 101))
    assert INFLIGHT_MAX == client.ready["limits"]["inflight"]


async def test_an_array_of_frames_is_handled_in_order(daemon) -> None:
    _, wire, conv = await start(daemon)
    await wire.send(*({"t": "send", "id": n, "conv": conv, "n": n, "type": "text", "body": {"text": str(n)}} for n in range(1, 17)), {"t": "probe", "id": 99})
    for n in range(1, 17):
        assert (await wire.expect("ack", "error"))["seq"] == n
    await wire.expect("pong")


async def test_the_rate_limit_consumes_nothing(stopped_daemon) -> None:
    stopped_daemon.settings["session"].update({"visitor_sends_per_second": 20, "visitor_send_burst": 5})
    await stopped_daemon.start()
    site = await Site.make(stopped_daemon)
    wire = await site.wire()
    conv = wire.ready["conv"]["conv"]
    answers = [await send(wire, conv, n) for n in range(1, 6)]
    assert all(a["t"] == "ack" for a in answers)
    error = next(e for e in [await send(wire, conv, 6), await send(wire, conv, 6)] if e["t"] == "error")
    assert (error["status"], error["code"], error["retry"]) == (429, "rate", True) and error["after_ms"] > 0
    client = await site.visitor()
    for i in range(40):
        client.say(f"text {i}")
    await client.settled(20)
    assert client.conversation(client.own).next_n == 41
    await client.shown(seq=40)
    assert client.conversation(client.own).texts() == [f"text {i}" for i in range(40)], "go-back-N lost and doubled nothing"
