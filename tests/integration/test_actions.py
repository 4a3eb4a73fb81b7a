"""What people do with a conversation, and what happens when two do it at once."""
import asyncio

import pytest
from parley_test.site import Site


async def desk(daemon):
    """A waiting conversation, a visitor, two agents and a supervisor who watch it."""
    site = await Site.make(daemon)
    visitor = await site.visitor()
    await visitor.tell("hello")
    agents = [await site.agent("Li Na"), await site.agent("Wang Wei"), await site.agent("Chen Jie", "supervisor")]
    for agent in agents:
        await agent.watch(visitor.own)
    return (site, visitor, *agents)


async def last_entry(client, type: str):
    return await client.wire.expect("entry", where=lambda f: f["type"] == type)


async def test_claim_makes_it_active_and_the_visitor_sees_who_came(daemon) -> None:
    site, visitor, li, *_ = await desk(daemon)
    ack = await li.do(visitor.own, "claim", {}, **{"if": {"claim": 0}})
    entry = await last_entry(visitor, "claim")
    assert entry["seq"] == ack["seq"]
    assert entry["state"] == {"status": "active", "claim": 1, "assignee": {"id": site.people["Li Na"].id, "name": "Li Na"}}
    assert entry["body"]["to"] == {"id": site.people["Li Na"].id, "name": "Li Na"}


@pytest.mark.parametrize("conditional", [True, False])
async def test_of_two_agents_who_claim_at_once_one_wins(daemon, conditional) -> None:
    site, visitor, li, wang, _ = await desk(daemon)
    extra = {"if": {"claim": 0}} if conditional else {}
    for round_ in range(20):
        other = await site.visitor()
        await other.tell(f"round {round_}")
        answers = await asyncio.gather(*(a.attempt(other.own, "claim", {}, **extra) for a in (li, wang)))
        kinds = sorted(a["t"] for a in answers)
        assert kinds == ["ack", "error"], answers
        winner = "Li Na" if answers[0]["t"] == "ack" else "Wang Wei"
        error = next(a for a in answers if a["t"] == "error")
        assert (error["status"], error["code"]) == (409, "claimed")
        assert error["by"] == {"id": site.people[winner].id, "name": winner} and error["claim"] == 1


async def test_a_stale_condition_is_refused_whoever_asks(daemon) -> None:
    _, visitor, li, wang, chen = await desk(daemon)
    await li.do(visitor.own, "claim", {})
    for type, body in (("text", {"text": "hi"}), ("close", {}), ("assign", {"to": None})):
        error = await chen.attempt(visitor.own, type, body, **{"if": {"claim": 0}})
        assert (error.get("code"), error.get("claim")) == ("claimed", 1), (type, error)
    assert (await chen.do(visitor.own, "text", {"text": "hi"}, **{"if": {"claim": 1}}))["seq"]


async def test_an_agents_text_does_not_take_a_waiting_conversation(daemon) -> None:
    _, visitor, li, *_ = await desk(daemon)
    await li.tell("I am looking into it", visitor.own)
    entry = await visitor.wire.expect("entry", where=lambda f: f["from"]["k"] == "a")
    assert "state" not in entry and entry["from"]["name"] == "Li Na"
    await li.do(visitor.own, "claim", {}, **{"if": {"claim": 0}})


async def test_assign_and_transfer_follow_the_rights(daemon) -> None:
    site, visitor, li, wang, chen = await desk(daemon)
    to_wang = {"to": site.people["Wang Wei"].id}
    assert (await li.attempt(visitor.own, "assign", to_wang))["code"] == "forbidden", "not the assignee, not a supervisor"
    await chen.do(visitor.own, "assign", {"to": site.people["Li Na"].id})
    await li.do(visitor.own, "transfer", {**to_wang, "note": "speaks French"})
    entry = await visitor.wire.expect("entry", where=lambda f: f["type"] == "transfer")
    assert entry["state"]["assignee"]["name"] == "Wang Wei" and entry["state"]["claim"] == 2
    assert "note" not in entry["body"]
    assert (await li.attempt(visitor.own, "assign", {"to": None}))["code"] == "forbidden", "not the assignee any more"
    await wang.do(visitor.own, "assign", {"to": None})
    entry = await visitor.wire.expect("entry", where=lambda f: f["type"] == "assign" and f["state"]["status"] == "waiting")
    assert entry["state"]["assignee"] is None and entry["body"]["to"] is None
    error = await chen.attempt(visitor.own, "assign", {"to": "12345"})
    assert error["status"] == 400 and error["field"] == "body.to"
    error = await chen.attempt(visitor.own, "assign", {})
    assert error["status"] == 400 and error["field"] == "body.to"


async def test_visitors_cannot_do_what_agents_do(daemon) -> None:
    site, visitor, *_ = await desk(daemon)
    for type, body in (("note", {"text": "x"}), ("claim", {}), ("assign", {"to": None}), ("transfer", {"to": None}), ("reopen", {})):
        error = await visitor.attempt(visitor.own, type, body)
        assert (error.get("status"), error.get("code")) == (403, "forbidden"), type


async def test_close_and_reopen(daemon) -> None:
    site, visitor, li, wang, _ = await desk(daemon)
    await li.do(visitor.own, "claim", {})
    await li.do(visitor.own, "close", {"reason": "solved"})
    entry = await last_entry(visitor, "close")
    assert entry["state"]["status"] == "closed"
    assert (await wang.attempt(visitor.own, "close", {}))["code"] == "forbidden", "it is closed already"
    assert (await wang.attempt(visitor.own, "text", {"text": "late"}))["code"] == "forbidden", "reopen first"
    assert (await wang.attempt(visitor.own, "note", {"text": "for the file"}))["t"] == "ack"
    await wang.do(visitor.own, "reopen", {})
    entry = await last_entry(visitor, "reopen")
    assert entry["state"]["status"] == "active" and entry["state"]["assignee"]["name"] == "Wang Wei"


async def test_a_visitors_text_reopens_within_the_window(daemon) -> None:
    _, visitor, li, *_ = await desk(daemon)
    await li.do(visitor.own, "claim", {})
    await li.do(visitor.own, "close", {})
    await visitor.tell("one more thing")
    entry = await li.wire.expect("entry", where=lambda f: (f.get("body") or {}).get("text") == "one more thing")
    assert entry["state"] == {"status": "waiting", "claim": 2, "assignee": None}


async def test_after_the_window_the_text_goes_to_a_new_conversation(stopped_daemon) -> None:
    stopped_daemon.settings["tenant"]["reopen_window_h"] = 0
    await stopped_daemon.start()
    _, visitor, li, *_ = await desk(stopped_daemon)
    old = visitor.own
    await li.do(old, "close", {})
    error = await visitor.attempt(old, "text", {"text": "too late"})
    assert (error["status"], error["code"], error["retry"]) == (410, "closed", False)
    assert error["to"] != old
    ack = await visitor.do(error["to"], "text", {"text": "too late"})
    assert ack["seq"] == 1 and ack["conv"] == error["to"]
    assert (await visitor.attempt(old, "text", {"text": "still closed"}))["to"] == error["to"]


async def test_the_visitor_may_close(daemon) -> None:
    _, visitor, li, *_ = await desk(daemon)
    await visitor.do(None, "close", {})
    assert (await last_entry(li, "close"))["from"]["k"] == "v"


async def test_a_visitors_text_and_an_agents_close_at_once_lose_nothing(daemon) -> None:
    """Whichever comes first: the text is stored, and a conversation with an unanswered text is open."""
    site = await Site.make(daemon)
    li = await site.agent("Li Na")
    for _ in range(20):
        visitor = await site.visitor()
        await visitor.tell("hello")
        await li.watch(visitor.own)
        close, text = li.send(visitor.own, "close", {}), visitor.say("wait!")
        answers = await asyncio.gather(close, text)
        assert answers[1]["t"] == "ack", answers
        status = (await li.watch(visitor.own))["conv"]["status"]
        closed_first = answers[0]["seq"] < answers[1]["seq"]
        assert status == ("waiting" if closed_first else "closed"), answers


async def test_edit_and_recall_belong_to_the_author(daemon) -> None:
    _, visitor, li, wang, chen = await desk(daemon)
    seq = (await li.tell("teh answer", visitor.own))["seq"]
    assert (await wang.attempt(visitor.own, "edit", {"target": seq, "text": "x"}))["code"] == "forbidden"
    assert (await chen.attempt(visitor.own, "edit", {"target": seq, "text": "x"}))["code"] == "forbidden"
    assert (await visitor.attempt(None, "recall", {"target": seq}))["code"] == "forbidden"
    await li.do(visitor.own, "edit", {"target": seq, "text": "the answer"})
    assert (await wang.attempt(visitor.own, "recall", {"target": seq}))["code"] == "forbidden"
    await chen.do(visitor.own, "recall", {"target": seq})
    assert (await li.attempt(visitor.own, "edit", {"target": seq, "text": "again"}))["code"] == "forbidden", "it was withdrawn"
    error = await li.attempt(visitor.own, "edit", {"target": 999, "text": "x"})
    assert error["status"] == 400 and error["field"] == "body.target"
