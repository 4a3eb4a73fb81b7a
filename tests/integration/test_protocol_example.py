"""The conversation in docs/protocol.md, section 8, happens exactly so."""
import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import pytest
from parley_test.site import ORIGIN, Site
from parley_test.wire import Wire

PAGE = Path(__file__).resolve().parents[2] / "docs/protocol.md"
Values = Dict[str, Any]


def steps() -> Iterator[Tuple[str, str, str]]:
    """(who, arrow, frame) of every line of the blocks marked `replay`."""
    for block in re.findall(r"^```replay\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S):
        for line in block.splitlines():
            who, arrow, frame = (line.split(" ", 2) + [""])[:3]
            assert arrow in ("→", "←", "×"), f"not a step: {line}"
            yield who, arrow, frame


def filled(text: str, values: Values) -> Any:
    """The frame of a line; words that have a value already are replaced inside its strings."""
    return json.loads(re.sub(r"\$([a-z_]+)", lambda word: values[word[1]] if isinstance(values.get(word[1]), str) else word[0], text))


def fits(pattern: Any, there: Any, values: Values) -> bool:
    """Is everything of the pattern in the frame? New words get their values."""
    if isinstance(pattern, str) and re.fullmatch(r"\$[a-z_]+", pattern):
        return values.setdefault(pattern[1:], there) == there
    if isinstance(pattern, dict):
        return isinstance(there, dict) and all(key in there and fits(value, there[key], values) for key, value in pattern.items())
    if isinstance(pattern, list):
        return isinstance(there, list) and len(there) == len(pattern) and all(fits(p, t, values) for p, t in zip(pattern, there))
    return type(pattern) is type(there) and pattern == there


@pytest.mark.timeout(60)
async def test_the_conversation_in_the_protocol_happens_so(daemon) -> None:
    site = await Site.make(daemon)
    visitor, agent = site.new_visitor(), await site.hire("Li Na")
    values: Values = {"token": await visitor.token(), "agent_token": agent.token}
    wires: Dict[str, Wire] = {}
    for who, arrow, text in steps():
        if arrow == "×":
            wires.pop(who).cut()
            continue
        if who not in wires:
            wires[who] = await Wire.open(daemon.ws, origin=ORIGIN if who == "visitor" else None)
        frame = filled(text, values)
        if daemon.backing:
            frame.pop("stable", None)  # comes later there, in a frame of its own
        if arrow == "→":
            assert "$" not in json.dumps(frame), f"a word without a value: {text}"
            await wires[who].send(frame)
            continue
        found: Values = {}

        def is_it(there: Any) -> bool:
            nonlocal found
            found = dict(values)
            return fits(frame, there, found)

        try:
            await wires[who].expect(frame["t"], where=is_it)
        except AssertionError as missing:
            raise AssertionError(f"{who} ← {json.dumps(frame)}\ndid not come: {missing}") from None
        values = found
    assert {"visitor", "conv", "epoch", "next"} <= set(values), "the page has lost its examples"
    assert values["next"] != values["conv"]


def test_a_pattern_is_part_of_a_frame_and_words_keep_their_value() -> None:
    values: Values = {}
    assert fits({"a": "$x", "b": [{"c": 1}]}, {"a": "7", "b": [{"c": 1, "d": 2}], "e": None}, values) and values == {"x": "7"}
    for pattern, there in (({"a": "$x"}, {"a": "8"}), ({"a": None}, {}), ({"a": 1}, {"a": True}), ({"a": []}, {"a": [1]}), ({"a": {"b": 1}}, {"a": 1})):
        assert not fits(pattern, there, {"x": "7"}), f"{pattern} does not fit {there}"


def test_words_stand_inside_strings_too() -> None:
    assert filled('{"p":"v:$id","q":"$later"}', {"id": "12"}) == {"p": "v:12", "q": "$later"}
