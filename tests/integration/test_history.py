"""Pages and folding: what a client gets that was not there when it happened."""
from parley_test.site import Site


async def conversation_of(daemon, count: int):
    site = await Site.make(daemon)
    visitor, agent = await site.visitor(), await site.agent()
    await visitor.tell("entry 1")
    await agent.watch(visitor.own)
    for i in range(2, count + 1):
        agent.say(f"entry {i}", visitor.own)
    await agent.settled(30)
    await visitor.shown(seq=count)
    return site, visitor, agent


async def test_pages_go_both_ways_without_gap_or_repeat(daemon) -> None:
    _, visitor, _ = await conversation_of(daemon, 250)
    forward, after = [], 0
    while True:
        page = await visitor.wire.request({"t": "sync", "conv": visitor.own, "after": after, "limit": 40}, "page")
        assert page["head"] == 250 and page["epoch"]
        forward += [i["seq"] for i in page["items"]]
        if not page["more"]:
            break
        after = forward[-1]
    assert forward == list(range(1, 251))
    backward, before = [], 251
    while True:
        page = await visitor.wire.request({"t": "sync", "conv": visitor.own, "before": before, "limit": 40}, "page")
        seqs = [i["seq"] for i in page["items"]]
        assert seqs == sorted(seqs), "oldest first"
        backward = seqs + backward
        if not page["more"]:
            break
        before = backward[0]
    assert backward == list(range(1, 251))


async def test_a_page_ends_at_100_entries_or_64_kib(daemon) -> None:
    site, visitor, agent = await conversation_of(daemon, 150)
    page = await visitor.wire.request({"t": "sync", "conv": visitor.own, "after": 0, "limit": 100}, "page")
    assert len(page["items"]) == 100 and page["more"] is True
    for i in range(12):
        agent.say("\u4f60" * 4000, visitor.own)
    await agent.settled()
    page = await visitor.wire.request({"t": "sync", "conv": visitor.own, "after": 150, "limit": 100}, "page")
    assert 1 <= len(page["items"]) < 12 and page["more"] is True, "12 KB each: not all fit"
    seen = [i["seq"] for i in page["items"]]
    while page["more"]:
        page = await visitor.wire.request({"t": "sync", "conv": visitor.own, "after": seen[-1], "limit": 100}, "page")
        seen += [i["seq"] for i in page["items"]]
    assert seen == list(range(151, 163))


async def test_odd_requests_for_pages(daemon) -> None:
    _, visitor, _ = await conversation_of(daemon, 5)
    page = await visitor.wire.request({"t": "sync", "conv": visitor.own, "after": 5}, "page")
    assert page["items"] == [] and page["more"] is False
    page = await visitor.wire.request({"t": "sync", "conv": visitor.own, "after": 99}, "page")
    assert page["items"] == [] and page["more"] is False and page["head"] == 5
    page = await visitor.wire.request({"t": "sync", "conv": visitor.own, "before": 1}, "page")
    assert page["items"] == [] and page["more"] is False
    error = await visitor.wire.request({"t": "sync", "conv": visitor.own, "after": 1, "before": 4}, "error", "page")
    assert error.get("code") == "bad_frame"
    for bad in ({"after": -1}, {"after": "1"}, {"after": 1.5}, {"limit": 0, "after": 0}):
        error = await visitor.wire.request({"t": "sync", "conv": visitor.own, **bad}, "error", "page")
        assert error.get("code") == "bad_frame" or bad.get("limit") == 0, (bad, error)


async def test_pages_are_folded_and_rev_says_so(daemon) -> None:
    site, visitor, agent = await conversation_of(daemon, 3)
    edit = await agent.do(visitor.own, "edit", {"target": 2, "text": "first edit"})
    again = await agent.do(visitor.own, "edit", {"target": 2, "text": "second edit"})
    recall = await agent.do(visitor.own, "recall", {"target": 3})
    live = [await visitor.wire.expect("entry", where=lambda f, s=a["seq"]: f["seq"] == s) for a in (edit, again, recall)]
    assert [(e["type"], e["body"]["target"]) for e in live] == [("edit", 2), ("edit", 2), ("recall", 3)]
    assert live[1]["body"]["text"] == "second edit"

    async def check() -> None:
        for wire in (await site.wire(visitor.person), await site.agent_wire()):
            page = await wire.request({"t": "sync", "conv": visitor.own, "after": 0}, "page")
            items = {i["seq"]: i for i in page["items"]}
            assert sorted(items) == [1, 2, 3, 4, 5, 6], "the log keeps every seq"
            assert items[2]["body"]["text"] == "second edit" and items[2]["rev"] == again["seq"]
            assert items[3].get("recalled") is True and "body" not in items[3] and items[3]["rev"] == recall["seq"]
            assert items[1]["rev"] == 1

    await check()
    await daemon.restart()
    await check()


async def test_a_recalled_text_is_in_no_list_page_or_earlier_edit(daemon) -> None:
    site, visitor, agent = await conversation_of(daemon, 2)
    secret = "regretted-words-81"
    sent = await agent.tell("harmless", visitor.own)
    await agent.do(visitor.own, "edit", {"target": sent["seq"], "text": secret})
    await agent.do(visitor.own, "recall", {"target": sent["seq"]})
    for restart in (False, True):
        if restart:
            await daemon.restart()
        for wire in (await site.wire(visitor.person), await site.agent_wire()):
            await wire.request({"t": "sync", "conv": visitor.own, "after": 0}, "page")
            if wire.ready["me"]["k"] == "a":
                await wire.request({"t": "watch", "view": "open"}, "rows")
                await wire.request({"t": "inbox", "since": 0}, "rows")
            await wire.barrier()
            assert secret not in "".join(wire.raw)


async def test_rest_history_agrees_with_the_socket(daemon) -> None:
    site, visitor, agent = await conversation_of(daemon, 30)
    await agent.do(visitor.own, "note", {"text": "note"})
    await agent.do(visitor.own, "edit", {"target": 2, "text": "edited"})
    rest = site.rest_of("Li Na")
    page = await agent.wire.request({"t": "sync", "conv": visitor.own, "after": 0, "limit": 100}, "page")
    answer = await rest.get(f"/conversations/{visitor.own}/messages?after=0&limit=100")
    assert answer["conv"] == visitor.own and answer["epoch"] == page["epoch"] and answer["head"] == 32 and answer["more"] is False
    assert [(i["seq"], i.get("body"), i["rev"]) for i in answer["items"]] == [(i["seq"], i.get("body"), i["rev"]) for i in page["items"]]
    one = await rest.get(f"/conversations/{visitor.own}")
    assert one["conv"] == visitor.own and one["head"] == 32
