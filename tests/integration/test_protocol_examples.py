"""The examples of docs/protocol.md that stand alone (section 9), sent to a real daemon word for word; section 8 is one story and has a test of its own.

A block ```replay has lines `client → {…}` and `client ← {…}`. The first line of a client opens its connection. `$name` stands for a value: known ones are filled in, unknown ones
are learnt where they first come back. A `←` line names the fields that must be there with these values; frames of other types in between are passed over.
`client ×` cuts the connection, `client ← close 4000` waits for its end.
"""
import json
import re
from pathlib import Path
from typing import Any, Dict

import pytest
from parley_test.daemon import ROOT
from parley_test.site import ORIGIN, Site
from parley_test.wire import Wire, new_dev


def blocks() -> list:
    text = (Path(ROOT) / "docs" / "protocol.md").read_text(encoding="utf-8")
    return re.findall(r"```replay ([^\n]+)\n(.*?)```", text, re.S)


def fill(value: Any, known: Dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {fill(k, known): fill(v, known) for k, v in value.items()}
    if isinstance(value, list):
        return [fill(v, known) for v in value]
    if isinstance(value, str) and value.startswith("$"):
        return known[value]
    return value


def fits(pattern: Any, value: Any, known: Dict[str, Any], learnt: Dict[str, Any]) -> bool:
    if isinstance(pattern, str) and pattern.startswith("$"):
        if pattern in known or pattern in learnt:
            return known.get(pattern, learnt.get(pattern)) == value
        learnt[pattern] = value
        return True
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(k in value and fits(v, value[k], known, learnt) for k, v in pattern.items())
    if isinstance(pattern, list):
        return isinstance(value, list) and len(pattern) == len(value) and all(fits(p, v, known, learnt) for p, v in zip(pattern, value))
    return pattern == value


def test_there_are_examples() -> None:
    assert len(blocks()) >= 6


@pytest.mark.parametrize("title, script", blocks(), ids=[title for title, _ in blocks()])
async def test_example(daemon, title: str, script: str) -> None:
    site = await Site.make(daemon)
    agents = {"agent": await site.hire("Li Na"), "colleague": await site.hire("Wang Wei")}
    visitor = site.new_visitor()
    known: Dict[str, Any] = {"$visitor_token": await visitor.token(), "$visitor": visitor.id, "$tenant": site.tenant_id, "$dev": new_dev(), "$other_dev": new_dev()}
    for name, person in agents.items():
        known.update({f"${name}": person.id, f"${name}_token": person.token, f"${name}_dev": new_dev()})
    wires: Dict[str, Wire] = {}
    for line in filter(None, (line.strip() for line in script.splitlines())):
        client, arrow, rest = (line.split(" ", 2) + [""])[:3]
        if arrow == "×":
            wires.pop(client).cut()
            continue
        if client not in wires:
            wires[client] = await Wire.open(daemon.ws, origin=None if client in agents else ORIGIN)
        wire = wires[client]
        if arrow == "→":
            await wire.send(fill(json.loads(rest), known))
        elif rest.startswith("close "):
            assert (await wire.ended())[0] == int(rest.split()[1]), f"{title}: {line}"
        else:
            pattern, learnt = json.loads(rest), {}

            def matches(frame: Any) -> bool:
                learnt.clear()
                return fits(pattern, frame, known, learnt)

            try:
                await wire.expect(pattern["t"], where=matches, timeout=5)
            except AssertionError as failure:
                raise AssertionError(f"{title}: {line}\n{failure}") from None
            known.update(learnt)
