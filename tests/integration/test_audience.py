"""What is internal stays with the agents: no byte of it reaches a visitor, and a visitor's count of entries still has no gap."""
import json

from parley_test.site import Site

SECRET = "zq-internal-7f3a"


async def test_no_byte_of_a_note_reaches_a_visitor(daemon) -> None:
    site = await Site.make(daemon)
    visitor, agent = await site.visitor(), await site.agent()
    await visitor.tell("hello")
    await agent.watch(visitor.own)
    boss = await site.agent("Boss", "supervisor")
    await boss.watch(visitor.own)
    note = await agent.do(visitor.own, "note", {"text": f"{SECRET} one"})
    await agent.do(visitor.own, "edit", {"target": note["seq"], "text": f"{SECRET} edited"})
    second = await agent.do(visitor.own, "note", {"text": f"{SECRET} two"})
    await agent.do(visitor.own, "recall", {"target": second["seq"]})
    await agent.do(visitor.own, "claim", {})
    await agent.do(visitor.own, "transfer", {"to": site.people["Boss"].id, "note": f"{SECRET} transfer"})
    last = await agent.tell("visible", visitor.own)
    await visitor.shown(seq=last["seq"])

    second_tab = await site.visitor("second tab", visitor.person)
    await second_tab.shown(visitor.own, last["seq"])
    await visitor.close()
    await boss.do(visitor.own, "note", {"text": f"{SECRET} while away"})
    after = await boss.tell("welcome back", visitor.own)
    await visitor.connect()
    await visitor.shown(seq=after["seq"])
    page = await visitor.wire.request({"t": "sync", "conv": visitor.own, "after": 0, "limit": 100}, "page")
    older = await visitor.wire.request({"t": "sync", "conv": visitor.own, "before": after["seq"], "limit": 100}, "page")
    for target in (note["seq"], second["seq"]):
        error = await visitor.attempt(None, "recall", {"target": target})
        assert error["status"] in (400, 403)
    everything = "".join(visitor.received + second_tab.received)
    assert "welcome back" in everything and SECRET not in everything
    assert all(i.get("audience") != "internal" for i in page["items"] + older["items"])
    assert page["head"] == after["seq"]

    seen = [e for _, e in sorted(boss.conversation(visitor.own).entries.items())]
    assert sum(SECRET in json.dumps(e) for e in seen) >= 3, "agents have them"
    assert all(e["audience"] == "internal" for e in seen if e["type"] == "note")


async def test_skip_counts_what_is_hidden_everywhere(daemon) -> None:
    site = await Site.make(daemon)
    visitor, agent = await site.visitor(), await site.agent()
    await visitor.tell("1")
    await agent.watch(visitor.own)
    expected = {1: 0}
    seq = 1
    for hidden in (1, 0, 3, 2):
        for i in range(hidden):
            await agent.do(visitor.own, "note", {"text": f"note {i}"})
        seq = (await agent.tell("visible", visitor.own))["seq"]
        expected[seq] = hidden
    await agent.do(visitor.own, "note", {"text": "the newest is hidden"})
    await visitor.shown(seq=seq)
    live = {e["seq"]: e.get("skip", 0) for e in visitor.wire.take("entry")}
    assert live == expected
    page = await visitor.wire.request({"t": "sync", "conv": visitor.own, "after": 0}, "page")
    assert {e["seq"]: e.get("skip", 0) for e in page["items"]} == expected
    assert page["head"] == seq, "a visitor's head is the last public seq"
    await daemon.restart()
    fresh = await site.visitor("fresh", visitor.person)
    resumed = await fresh.wire.expect("resumed")
    assert resumed["conv"]["head"] == seq
    await fresh.shown(visitor.own, seq)
    assert {e["seq"]: e.get("skip", 0) for e in fresh.wire.take("entry")} == expected
    page = await agent_page(site, visitor.own)
    assert all(e.get("skip", 0) == 0 for e in page["items"]) and [e["seq"] for e in page["items"]] == list(range(1, seq + 2))


async def agent_page(site: Site, conv: str):
    wire = await site.agent_wire()
    return await wire.request({"t": "sync", "conv": conv, "after": 0, "limit": 100}, "page")


async def test_nothing_of_a_tenant_is_visible_in_another(daemon) -> None:
    shop, bank = await Site.make(daemon, slug="shop"), await Site.make(daemon, slug="bank")
    visitor, stranger, banker = await shop.visitor(), await bank.visitor(), await bank.agent("Banker", "owner")
    await visitor.tell(SECRET)
    for wire in (stranger.wire, banker.wire):
        for frame in (
            {"t": "sync", "conv": visitor.own, "after": 0},
            {"t": "send", "conv": visitor.own, "n": 1, "type": "text", "body": {"text": "x"}},
            {"t": "send", "conv": visitor.own, "n": 1, "type": "void"},
        ):
            error = await wire.request(frame, "error", "page", "ack")
            assert (error.get("status"), error.get("code")) == (404, "unknown_conv"), (frame, error)
    error = await banker.wire.request({"t": "watch", "conv": visitor.own}, "error", "resumed")
    assert error["code"] == "unknown_conv"
    for frame in ({"t": "rcv", "conv": visitor.own, "upto": 1}, {"t": "typing", "conv": visitor.own, "on": True}):
        await banker.wire.send(frame)
    rows = await banker.wire.request({"t": "watch", "view": "open"}, "rows")
    assert rows["rows"] == []
    inbox = await banker.wire.request({"t": "inbox", "since": 0}, "rows")
    assert inbox["rows"] == []
    await visitor.wire.barrier()
    assert not visitor.wire.take("typing", "marks")
    assert SECRET not in "".join(stranger.received + banker.received)
    await bank.rest_of("Banker").fails("GET", f"/conversations/{visitor.own}", 404)
    await bank.rest_of("Banker").fails("GET", f"/conversations/{visitor.own}/messages", 404)
