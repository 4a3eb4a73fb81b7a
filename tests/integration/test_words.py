"""Sensitive words: in force without a restart, for the right tenant, and never in the way of a repeat."""
import asyncio

from parley_test.site import Site


async def in_force(site: Site, words: str, code: str) -> None:
    """Until a stranger's `words` are answered like this (code, or "ack"); homes learn of a new list within a second."""
    probe = await site.visitor()
    await probe.tell("hello")
    for _ in range(50):
        answer = await probe.attempt(None, "text", {"text": words})
        text = "" if answer["t"] == "error" else (await probe.wire.expect("entry", where=lambda f: f["seq"] == answer["seq"]))["body"]["text"]
        if {"ack": text == words, "mask": "*" in text}.get(code, answer.get("code") == code):
            return await probe.close()
        await asyncio.sleep(0.02)
    raise AssertionError(f"{words!r} is not answered with {code} after a second: {answer} {text}")


async def test_lists_come_and_go_without_a_restart(daemon) -> None:
    site, other = await Site.make(daemon), await Site.make(daemon, slug="other")
    await site.hire("Boss", "admin")
    rest = site.rest_of("Boss")
    visitor, stranger = await site.visitor(), await other.visitor()
    first = await visitor.tell("I like pineapple")
    made = await rest.post("/word-lists", {"name": "fruit", "action": "block", "words": ["pineapple"]})
    await in_force(site, "pineapple", "filtered")
    error = await visitor.attempt(None, "text", {"text": "I like PINEAPPLE"})
    assert (error["status"], error["code"], error["field"], error["retry"]) == (422, "filtered", "body.text", False)
    await stranger.tell("I like pineapple")
    again = await visitor.wire.request({"t": "send", "conv": visitor.own, "n": 1, "type": "text", "body": {"text": "I like pineapple"}}, "ack", "error")
    assert again["t"] == "ack" and again["dup"] is True and again["seq"] == first["seq"]

    await rest.put(f"/word-lists/{made['id']}", {"name": "fruit", "action": "mask", "words": ["pineapple"]})
    await in_force(site, "pineapple", "mask")
    await visitor.tell("a pine.apple, please")
    entry = await visitor.wire.expect("entry", where=lambda f: f["from"]["k"] == "v" and f["seq"] == 2)
    assert "pine" not in entry["body"]["text"] and entry["body"]["text"].startswith("a *") and entry["body"]["text"].endswith(", please")
    retried = await visitor.wire.request({"t": "send", "conv": visitor.own, "n": 3, "type": "text", "body": {"text": "a pine.apple, please"}}, "ack", "error")
    assert retried.get("dup") is True, "the identity is of what was sent, not of what the mask left"

    await rest.delete(f"/word-lists/{made['id']}")
    await in_force(site, "pineapple", "ack")
    await visitor.tell("pineapple at last")
    assert (await visitor.wire.expect("entry", where=lambda f: f["seq"] == 3))["body"]["text"] == "pineapple at last"


async def test_the_trial_tells_what_would_happen(daemon) -> None:
    site = await Site.make(daemon)
    await site.hire("Boss", "admin")
    rest = site.rest_of("Boss")
    await rest.post("/word-lists", {"name": "rude", "action": "mask", "words": ["damn"]})
    answer = await rest.post("/word-lists/test", {"text": "damn it"})
    assert answer["text"] == "**** it" and [(h["word"], h["list"], h["action"]) for h in answer["hits"]] == [("damn", "rude", "mask")]
    assert (answer["hits"][0]["start"], answer["hits"][0]["end"]) == (0, 4)


async def test_edits_are_filtered_too(daemon) -> None:
    site = await Site.make(daemon)
    await site.hire("Boss", "admin")
    visitor = await site.visitor()
    sent = await visitor.tell("fine")
    await site.rest_of("Boss").post("/word-lists", {"name": "fruit", "action": "block", "words": ["pineapple"]})
    await in_force(site, "pineapple", "filtered")
    error = await visitor.attempt(None, "edit", {"target": sent["seq"], "text": "pineapple"})
    assert error["code"] == "filtered"
