"""Several tabs of one person, and people who only look."""
import asyncio

from parley_test.site import Site


async def test_two_tabs_show_the_same(daemon) -> None:
    site = await Site.make(daemon)
    one = await site.visitor("one")
    two = await site.visitor("two", one.person)
    assert one.own == two.own, "both are given the same reserved id"
    await one.tell("from one")
    await two.tell("from two")
    await one.shown(seq=2)
    await two.shown(seq=2)
    assert one.conversation(one.own).texts() == two.conversation(one.own).texts() == ["from one", "from two"]


async def test_fifty_first_sends_at_once_make_one_conversation(daemon) -> None:
    site = await Site.make(daemon)
    first = await site.visitor("tab 0")
    tabs = [first] + [await site.visitor(f"tab {i}", first.person) for i in range(1, 50)]
    acks = await asyncio.gather(*(tab.tell(f"text of {tab.name}") for tab in tabs))
    assert sorted(a["seq"] for a in acks) == list(range(1, 51))
    assert list(daemon.reader().conversations().values()) == [1]
    for tab in tabs:
        await tab.shown(seq=50)


async def test_first_sends_on_different_reserved_ids_end_in_one_open_conversation(daemon) -> None:
    """Tabs that were given different ids, because the daemon restarted between them: one wins, the other is told where to go."""
    site = await Site.make(daemon)
    one = await site.visitor("one")
    await daemon.restart()
    two = await site.visitor("two", one.person)
    one.resume = None
    reserved, one_id = one.own, one.own
    await one.connect()
    assert one.own == two.own
    del reserved, one_id
    answers = await asyncio.gather(one.attempt(None, "text", {"text": "one"}), two.attempt(None, "text", {"text": "two"}))
    assert all(a["t"] == "ack" for a in answers)
    assert len(daemon.reader().conversations()) == 1


async def test_who_only_looks_writes_nothing(daemon) -> None:
    site = await Site.make(daemon)
    await site.hire("Li Na")
    reader = daemon.reader()
    looked = await site.wire()
    await looked.close()
    before = reader.row_counts()
    entries = reader.entries()
    for _ in range(20):
        visitor = site.new_visitor()
        wire = await site.wire(visitor)
        await wire.send({"t": "typing", "conv": wire.ready["conv"]["conv"], "on": True}, {"t": "vis", "on": False}, {"t": "rcv", "conv": wire.ready["conv"]["conv"], "upto": 0})
        await wire.barrier()
        await site.rest.get(f"/widget/config?key={site.key}")
        wire.cut()
    assert reader.row_counts() == before
    assert reader.entries() == entries


async def test_a_reload_while_the_conversation_is_open_shows_it_again(daemon) -> None:
    site = await Site.make(daemon)
    visitor, agent = await site.visitor("first"), await site.agent()
    await visitor.tell("hello")
    await agent.watch(visitor.own)
    reload = await site.visitor("reload", visitor.person)
    assert reload.own == visitor.own and reload.ready["conv"]["status"] == "waiting"
    await agent.do(visitor.own, "close", {})
    closed = await site.visitor("after the close", visitor.person)
    assert closed.own == visitor.own and closed.ready["conv"]["status"] == "closed", "it may still be reopened, so it is shown"
    await visitor.tell("one more thing")
    again = await site.visitor("after the reopening", visitor.person)
    assert again.own == visitor.own and again.ready["conv"]["status"] == "waiting"
    await again.shown(visitor.own, 3)


async def test_sends_into_a_reserved_id_that_lost_its_turn_are_told_where_to_go(daemon) -> None:
    """The visitor has an open conversation again; a tab still writes to the id that was reserved meanwhile. The first is told where to go, the others follow, nothing hangs."""
    site = await Site.make(daemon)
    visitor, agent = await site.visitor("visitor"), await site.agent()
    await visitor.tell("hello")
    await agent.watch(visitor.own)
    open_one = visitor.own
    await agent.do(open_one, "close", {})
    reserved = (await visitor.wire.expect("resumed", where=lambda f: f["conv"]["status"] == "new"))["conv"]["conv"]
    await visitor.tell("reopened", open_one)
    answers = await asyncio.gather(*(visitor.attempt(reserved, "text", {"text": f"strayed {i}"}, timeout=5) for i in range(3)))
    assert (answers[0].get("code"), answers[0].get("to")) == ("closed", open_one)
    assert [(a["t"], a["conv"]) for a in answers[1:]] == [("ack", open_one)] * 2
