"""Console lists, the inbox, the queue, presence, typing and receipts."""
import asyncio
import time

from parley_test.site import Site


async def test_a_list_follows_what_happens(daemon) -> None:
    site = await Site.make(daemon)
    agent = await site.agent()
    first = await site.visitor()
    await first.tell("first")
    rows = await agent.wire.request({"t": "watch", "view": "waiting"}, "rows")
    watch = rows["re"]
    assert rows["view"] == "waiting" and [r["conv"] for r in rows["rows"]] == [first.own]
    assert rows["counts"] == {"waiting": 1, "mine": 0, "open": 1} and rows["more"] is False
    row = rows["rows"][0]
    assert row["last"]["text"] == "first" and row["last"]["from"] == "v" and row["unread"] == 1 and row["number"] == 1
    assert row["visitor"]["id"] == first.person.id and row["waiting_since"]

    second = await site.visitor()
    await second.tell("second")
    delta = await agent.wire.expect("delta", where=lambda f: f["watch"] == watch and any(r["conv"] == second.own for r in f["upsert"]))
    assert delta["counts"]["waiting"] == 2
    assert next(r["pos"] for r in delta["upsert"] if r["conv"] == second.own) > row["pos"], "who waits longer stands first"

    await agent.watch(first.own)
    await agent.do(first.own, "claim", {})
    delta = await agent.wire.expect("delta", where=lambda f: f["watch"] == watch and f.get("remove"))
    assert delta["remove"] == [first.own] and delta["counts"] == {"waiting": 1, "mine": 1, "open": 2}

    await agent.wire.send({"t": "unwatch", "watch": watch})
    await agent.wire.barrier()
    agent.wire.take("delta")
    await second.tell("more")
    rows = await agent.wire.request({"t": "watch", "view": "mine"}, "rows")
    assert [r["conv"] for r in rows["rows"]] == [first.own]
    await agent.wire.barrier()
    assert not [d for d in agent.wire.take("delta") if d["watch"] == watch]


async def test_a_list_after_a_restart_is_the_list_before(daemon) -> None:
    site = await Site.make(daemon)
    agent = await site.agent()
    visitors = [await site.visitor() for _ in range(4)]
    for i, visitor in enumerate(visitors):
        await visitor.tell(f"text {i}")
        await agent.watch(visitor.own)
    await agent.do(visitors[1].own, "claim", {})
    await agent.do(visitors[2].own, "close", {})
    await daemon.until_archived()

    async def lists():
        wire = await site.agent_wire()
        return {view: (await wire.request({"t": "watch", "view": view}, "rows")) for view in ("waiting", "mine", "open", "closed")}

    def essence(rows):
        keys = ("conv", "number", "status", "claim", "assignee", "head", "last", "waiting_since", "pos")
        return [{k: r.get(k) for k in keys} for r in rows["rows"]], rows["counts"]

    before = {view: essence(rows) for view, rows in (await lists()).items()}
    assert [len(before[v][0]) for v in ("waiting", "mine", "open", "closed")] == [2, 1, 3, 1]
    await daemon.kill()
    await daemon.start()
    assert {view: essence(rows) for view, rows in (await lists()).items()} == before


async def test_what_is_unread_is_unread_after_a_restart(daemon) -> None:
    site = await Site.make(daemon)
    agent, visitor = await site.agent(), await site.visitor()
    await visitor.tell("seen")
    await agent.watch(visitor.own)
    await agent.tell("welcome", visitor.own)
    await agent.wire.send({"t": "read", "conv": visitor.own, "upto": 2})
    await agent.wire.barrier()
    for text in ("one", "two", "three"):
        await visitor.tell(text)

    async def unread(wire):
        [row] = (await wire.request({"t": "watch", "view": "waiting"}, "rows"))["rows"]
        return row["unread"]

    assert await unread(await site.agent_wire()) == 3
    await daemon.stop()
    await daemon.start()
    await visitor.connect()
    await visitor.tell("four")
    wire = await site.agent_wire()
    deadline = time.monotonic() + 20
    while await unread(wire) != 4:  # counted behind the first list, conversation by conversation
        assert time.monotonic() < deadline, await unread(wire)
        await asyncio.sleep(0.05)


async def test_a_reopened_conversation_counts_from_its_reopening(daemon) -> None:
    site = await Site.make(daemon)
    agent, visitor = await site.agent(), await site.visitor()
    for text in ("one", "two", "three"):
        await visitor.tell(text)
    await agent.watch(visitor.own)
    await agent.wire.send({"t": "read", "conv": visitor.own, "upto": 3})
    await agent.do(visitor.own, "close", {})
    await visitor.tell("one more thing")
    for _ in range(2):  # also when what is unread was looked up behind the first list
        wire = await site.agent_wire()
        [row] = (await wire.request({"t": "watch", "view": "waiting"}, "rows"))["rows"]
        assert row["unread"] == 1
        await daemon.until_archived()


async def test_the_closed_list_hints_that_it_changed(daemon) -> None:
    site = await Site.make(daemon)
    agent, visitor = await site.agent(), await site.visitor()
    await visitor.tell("hello")
    await agent.watch(visitor.own)
    rows = await agent.wire.request({"t": "watch", "view": "closed"}, "rows")
    assert rows["rows"] == []
    await agent.do(visitor.own, "close", {})
    await agent.wire.expect("delta", where=lambda f: f["watch"] == rows["re"] and f.get("changed") is True)  # one with counts alone may come first
    await daemon.until_archived()
    rows = await agent.wire.request({"t": "watch", "view": "closed"}, "rows")
    assert [r["conv"] for r in rows["rows"]] == [visitor.own]


async def test_the_inbox_tells_what_changed_since(daemon) -> None:
    site = await Site.make(daemon)
    agent = await site.agent()
    visitors = [await site.visitor() for _ in range(3)]
    for visitor in visitors:
        await visitor.tell("hello")
    await daemon.until_archived()
    answer = await agent.wire.request({"t": "inbox", "since": 0, "limit": 10}, "rows")
    assert answer["view"] == "inbox" and {r["conv"] for r in answer["rows"]} == {v.own for v in visitors}
    since = answer["ipos"]
    answer = await agent.wire.request({"t": "inbox", "since": since}, "rows")
    assert answer["rows"] == [] and answer["more"] is False
    await visitors[1].tell("news")
    await daemon.until_archived()
    answer = await agent.wire.request({"t": "inbox", "since": since}, "rows")
    assert [r["conv"] for r in answer["rows"]] == [visitors[1].own]
    paged, since = [], 0
    while True:
        answer = await agent.wire.request({"t": "inbox", "since": since, "limit": 1}, "rows")
        paged += [r["conv"] for r in answer["rows"]]
        since = answer["ipos"]
        if not answer["more"]:
            break
    assert len(paged) == 3 and set(paged) == {v.own for v in visitors}


async def test_visitors_learn_their_true_place_in_the_queue(daemon) -> None:
    site = await Site.make(daemon)
    agent = await site.agent()
    visitors = [await site.visitor() for _ in range(3)]
    for i, visitor in enumerate(visitors, 1):
        await visitor.tell("hello")
        queue = await visitor.wire.expect("queue")
        assert queue["position"] == i and queue["conv"] == visitor.own
        await agent.watch(visitor.own)
    await agent.do(visitors[0].own, "claim", {})
    for i, visitor in enumerate(visitors):
        await visitor.wire.expect("queue", where=lambda f, want=i: f["position"] == want)


async def test_typing_is_seen_by_the_others_only(daemon) -> None:
    site = await Site.make(daemon)
    visitor, agent = await site.visitor(), await site.agent()
    await visitor.tell("hello")
    await agent.watch(visitor.own)
    await visitor.wire.send({"t": "typing", "conv": visitor.own, "on": True})
    typing = await agent.wire.expect("typing")
    assert typing["conv"] == visitor.own and typing["on"] is True and typing["from"]["k"] == "v"
    await agent.wire.send({"t": "typing", "conv": visitor.own, "on": True})
    typing = await visitor.wire.expect("typing")
    assert typing["from"]["k"] == "a" and typing["from"]["name"] == "Li Na"
    await visitor.wire.barrier()
    await agent.wire.barrier()
    assert not visitor.wire.take("typing") and not agent.wire.take("typing")


async def test_receipts_are_cumulative_and_come_back_with_resumed(daemon) -> None:
    site = await Site.make(daemon)
    visitor, agent = await site.visitor(), await site.agent()
    for i in range(3):
        await visitor.tell(str(i))
    await agent.watch(visitor.own)
    await agent.wire.send({"t": "read", "conv": visitor.own, "upto": 2})
    marks = await visitor.wire.expect("marks")
    assert marks["conv"] == visitor.own and marks["marks"] == [{"p": agent.who, "rcv": 2, "read": 2}]
    await agent.wire.send({"t": "read", "conv": visitor.own, "upto": 1})
    await agent.wire.send({"t": "read", "conv": visitor.own, "upto": 3})
    marks = await visitor.wire.expect("marks")
    assert marks["marks"][0]["read"] == 3, "a lower one says nothing"
    rows = await agent.wire.request({"t": "watch", "view": "open"}, "rows")
    assert rows["rows"][0]["unread"] == 0
    await visitor.connect()
    resumed = await visitor.wire.expect("resumed")
    assert {"p": agent.who, "rcv": 3, "read": 3} in resumed["marks"]
    await daemon.stop()
    await daemon.start()
    await visitor.connect()
    resumed = await visitor.wire.expect("resumed")
    assert {"p": agent.who, "rcv": 3, "read": 3} in resumed["marks"], "an orderly stop keeps receipts"


async def test_presence_of_agents(daemon) -> None:
    site = await Site.make(daemon)
    visitor = await site.visitor()
    assert visitor.ready["online"] is False
    li = await site.agent("Li Na")
    assert (await visitor.wire.expect("presence", where=lambda f: "online" in f))["online"] is True
    wang = await site.agent("Wang Wei")
    seen = await li.wire.expect("presence", where=lambda f: any(a["name"] == "Wang Wei" for a in f.get("agents", [])))
    assert next(a for a in seen["agents"] if a["name"] == "Wang Wei")["status"] == "online"
    await wang.wire.send({"t": "status", "value": "busy"})
    await li.wire.expect("presence", where=lambda f: any((a["name"], a["status"]) == ("Wang Wei", "busy") for a in f.get("agents", [])))
    wang.wire.cut()
    await li.wire.expect("presence", where=lambda f: any((a["name"], a["status"]) == ("Wang Wei", "away") for a in f.get("agents", [])))
    li.wire.cut()
    await visitor.wire.expect("presence", where=lambda f: f.get("online") is False)


async def test_visitors_may_not_use_what_is_for_agents(daemon) -> None:
    site = await Site.make(daemon)
    visitor = await site.visitor()
    await visitor.tell("hello")
    for frame in ({"t": "watch", "conv": visitor.own}, {"t": "watch", "view": "open"}, {"t": "inbox", "since": 0}, {"t": "status", "value": "online"}):
        error = await visitor.wire.request(frame, "error", "rows", "resumed")
        assert (error.get("status"), error.get("code")) == (403, "forbidden"), frame
