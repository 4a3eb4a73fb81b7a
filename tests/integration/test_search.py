"""Messages found by their words, on either store."""
import asyncio
from typing import Any, Dict, List, Tuple
from urllib.parse import urlencode

import pytest
from parley_test.site import Rest, Site


async def search(rest: Rest, words: str, **parameters: Any) -> Dict[str, Any]:
    return await rest.get("/search?" + urlencode({"q": words, **parameters}))


async def until_found(rest: Rest, words: str, count: int) -> Dict[str, Any]:
    """The index comes a moment behind the messages."""
    deadline = asyncio.get_running_loop().time() + 20
    while True:
        found = await search(rest, words)
        if len(found["items"]) == count:
            return found
        assert asyncio.get_running_loop().time() < deadline, found
        await asyncio.sleep(0.05)


def places(found: Dict[str, Any]) -> List[Tuple[str, int]]:
    return [(item["conv"], item["seq"]) for item in found["items"]]


async def test_messages_and_notes_are_found_by_parts_of_their_words(daemon) -> None:
    site = await Site.make(daemon)
    visitor, other, agent = await site.visitor(), await site.visitor(), await site.agent()
    rest = site.rest_of("Li Na")
    await visitor.tell("您好，我要退款，订单号 A1024")
    await other.tell("Where is my REFUND?")
    await agent.watch(visitor.own)
    await agent.do(visitor.own, "claim", {})
    await agent.do(visitor.own, "note", {"text": "refund granted"})
    found = await until_found(rest, "refund", 2)
    assert places(found) == [(visitor.own, 3), (other.own, 1)], "the newest first"
    assert [item["type"] for item in found["items"]] == ["note", "text"]
    assert found["items"][0]["from"]["name"] == "Li Na" and found["items"][0]["audience"] == "internal"
    assert found["items"][1]["snippet"] == "Where is my REFUND?" and found["items"][1]["matches"] == [[12, 18]]
    assert [conversation["conv"] for conversation in found["conversations"]] == [visitor.own, other.own]
    assert places(await search(rest, "退款")) == [(visitor.own, 1)]
    assert places(await search(rest, "ａ１０２４")) == [(visitor.own, 1)]
    assert (await search(rest, "款退"))["items"] == []


async def test_edits_and_withdrawals_change_what_is_found(daemon) -> None:
    site = await Site.make(daemon)
    visitor, agent = await site.visitor(), await site.agent()
    rest = site.rest_of("Li Na")
    await visitor.tell("hello")
    await agent.watch(visitor.own)
    await agent.do(visitor.own, "claim", {})
    await agent.tell("the old price", visitor.own)
    await agent.tell("sent by mistake", visitor.own)
    await until_found(rest, "mistake", 1)
    await agent.do(visitor.own, "edit", {"target": 3, "text": "the new offer"})
    await agent.do(visitor.own, "recall", {"target": 4})
    assert places(await until_found(rest, "new offer", 1)) == [(visitor.own, 3)]
    await until_found(rest, "mistake", 0)
    await until_found(rest, "old price", 0)


async def test_what_was_found_before_is_found_after_a_restart(daemon) -> None:
    site = await Site.make(daemon)
    visitor = await site.visitor()
    await visitor.tell("a needle in a haystack")
    await site.hire("Li Na")
    rest = site.rest_of("Li Na")
    await until_found(rest, "needle", 1)
    await daemon.restart()
    assert places(await until_found(rest, "needle", 1)) == [(visitor.own, 1)]
    again = await site.visitor()
    await again.tell("another needle")
    assert places(await until_found(rest, "needle", 2)) == [(again.own, 1), (visitor.own, 1)]


async def test_other_tenants_and_visitors_find_nothing(daemon) -> None:
    shop, cafe = await Site.make(daemon), await Site.make(daemon, slug="cafe")
    mine, theirs = await shop.visitor(), await cafe.visitor()
    await mine.tell("the same words")
    await theirs.tell("the same words")
    await shop.hire("Li Na")
    await cafe.hire("Wang")
    assert places(await until_found(shop.rest_of("Li Na"), "same words", 1)) == [(mine.own, 1)]
    assert places(await until_found(cafe.rest_of("Wang"), "same words", 1)) == [(theirs.own, 1)]
    await shop.rest.fails("GET", "/search?q=words", 401)


async def test_a_query_that_can_find_nothing_is_refused_in_words(daemon) -> None:
    site = await Site.make(daemon)
    await site.hire("Li Na")
    for words in ("", "a", "款", "?!"):
        problem = await site.rest_of("Li Na").fails("GET", "/search?" + urlencode({"q": words}), 400)
        assert problem["field"] == "q" and "two letters" in problem["detail"]


@pytest.mark.store("standard")
async def test_without_an_index_the_answer_says_so(stopped_daemon) -> None:
    stopped_daemon.settings.setdefault("postgres", {})["search"] = "off"
    await stopped_daemon.start()
    site = await Site.make(stopped_daemon)
    await site.hire("Li Na")
    problem = await site.rest_of("Li Na").fails("GET", "/search?q=words", 501)
    assert problem["code"] == "search_not_available"


@pytest.mark.store("embedded")
async def test_a_lost_index_is_made_anew(daemon) -> None:
    site = await Site.make(daemon)
    visitor = await site.visitor()
    await visitor.tell("still to be found")
    await site.hire("Li Na")
    rest = site.rest_of("Li Na")
    await until_found(rest, "to be found", 1)
    await daemon.stop()
    for path in daemon.data.glob("search.db*"):
        path.unlink()
    await daemon.start()
    assert places(await until_found(rest, "to be found", 1)) == [(visitor.own, 1)]
