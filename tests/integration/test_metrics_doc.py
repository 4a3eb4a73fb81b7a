"""docs/metrics.md and a running daemon name the same families, with the same types and labels."""
import re
from pathlib import Path
from typing import Dict, Set, Tuple

import aiohttp
from parley_test.site import Site

PAGE = Path(__file__).resolve().parents[2] / "docs/metrics.md"
Families = Dict[str, Tuple[str, Set[str]]]


def documented(standard: bool) -> Families:
    families: Families = {}
    page, _, only_standard = PAGE.read_text(encoding="utf-8").partition("## Only with the standard store")
    for line in (page + only_standard if standard else page).splitlines():
        row = re.match(r"\| `([a-z_]+)` \| (counter|gauge|histogram) \|([^|]*)\|", line)
        if row:
            assert row[1] not in families, f"{row[1]} stands twice in docs/metrics.md"
            # Values of labels stand in brackets behind the name.
            families[row[1]] = (row[2], set(re.findall(r"`([a-z_]+)`", re.sub(r"\([^)]*\)", "", row[3]))))
    return families


def scraped(text: str) -> Families:
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    families: Families = {name: (kind, set()) for name, kind in kinds.items()}
    for name, labels in re.findall(r"^([a-z_]+)(?:\{([^}]*)\})? \S+$", text, re.M):
        family = name if name in kinds else re.sub(r"_(bucket|sum|count)$", "", name)
        families[family][1].update(label for label in re.findall(r"(\w+)=\"", labels) if label != "le")
    return families


async def test_the_page_and_the_daemon_name_the_same_metrics(daemon) -> None:
    site = await Site.make(daemon)
    wire = await site.wire()  # a tenant has a gauge of its own once it had a visitor
    await wire.request({"t": "send", "conv": wire.ready["conv"]["conv"], "n": 1, "type": "text", "body": {"text": "hello"}}, "ack")
    async with aiohttp.ClientSession() as http:
        async with http.get(daemon.ops + "/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            text = await answer.text()
    there, page = scraped(text), documented(daemon.backing is not None)
    assert "chat_online_visitors" in there and "message_process_seconds" in there, "names that others rely on"
    assert not set(there) - set(page), "missing in docs/metrics.md"
    assert not set(page) - set(there), "in docs/metrics.md, but the daemon does not have them"
    assert {name: page[name] for name in there} == there
    assert re.search(r"^message_process_seconds_count 1$", text, re.M) and re.search(r"^parley_session_ack_seconds_count 1$", text, re.M)
