"""bench/run --gate decides whether a change made messages dearer, so that decision is tested itself."""
import json
import sys
from pathlib import Path
from typing import Dict, Iterable, List

import pytest
from tree import TOP

sys.path.insert(0, str(TOP / "bench"))
from parley_bench import gate  # noqa: E402
from parley_bench.verdict import Leg, Round, TooBusy, ratios, unmatched, worse  # noqa: E402


def leg(reactor_us: float, process_us: float, others: float = 0.05, valid: bool = True) -> Leg:
    return Leg(reactor_us, process_us, others, valid)


def rounds(*reactor: float) -> Dict[str, List[Round]]:
    """Of a floor of 10 µs; the process takes twice what its reactor does."""
    return {"relay": [Round(leg(10, 10), leg(us, 2 * us)) for us in reactor]}


def test_a_figure_is_the_median_of_the_rounds_ratios() -> None:
    slow_machine = {"relay": [Round(leg(10, 10), leg(21, 30)), Round(leg(40, 40), leg(80, 120)), Round(leg(10, 10), leg(19, 30))]}
    assert ratios(slow_machine) == {"relay: reactor": 2.0, "relay: process": 3.0}


def test_one_wild_round_changes_nothing() -> None:
    assert ratios(rounds(20, 20, 20, 20, 90))["relay: reactor"] == 2.0


def test_more_than_a_quarter_worse_fails_and_says_by_how_much() -> None:
    reference = {"relay: reactor": 2.0, "relay: process": 4.0}
    assert not worse(ratios(rounds(25, 25, 25)), reference)
    found = worse(ratios(rounds(26, 26, 26)), reference)
    assert [one.name for one in found] == ["relay: reactor", "relay: process"]
    assert found[0].case() == "relay"
    assert "2.60 times" in str(found[0]) and "instead of 2.00" in str(found[0]) and "30% worse" in str(found[0])


def test_cheaper_is_never_worse() -> None:
    assert not worse(ratios(rounds(5, 5, 5)), {"relay: reactor": 2.0, "relay: process": 4.0})


def test_disturbed_and_invalid_rounds_do_not_count() -> None:
    given = rounds(20, 20, 20)
    given["relay"] += [Round(leg(10, 10), leg(90, 90, others=0.4)), Round(leg(10, 10, valid=False), leg(90, 90)), Round(leg(10, 10, others=0.31), leg(90, 90))]
    assert ratios(given)["relay: reactor"] == 2.0


def test_too_few_undisturbed_rounds_are_not_judged() -> None:
    given = rounds(20, 20)
    given["relay"] += [Round(leg(10, 10), leg(20, 40, others=1.2))] * 3
    with pytest.raises(TooBusy, match="relay: 2 of 5 rounds undisturbed, other processes took up to 1.2 cores"):
        ratios(given)


def test_a_reference_of_another_form_is_noticed() -> None:
    assert unmatched({"relay: reactor": 1.0, "new: reactor": 1.0}, {"relay: reactor": 2.0, "old: reactor": 2.0}) == ["new: reactor", "old: reactor"]
    assert not unmatched({"relay: reactor": 1.0}, {"relay: reactor": 2.0})


def judged(monkeypatch: pytest.MonkeyPatch, folder: Path, *measured: object) -> int:
    """The gate's exit code against a reference of 2, if its measurements, one after the other, give this for the relay."""
    answers = iter(measured)

    def measure(cases: Iterable[str]) -> Dict[str, float]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return {"relay: reactor": answer}

    reference = folder / "reference.json"
    reference.write_text(json.dumps({"ratios": {"relay: reactor": 2.0}}))
    monkeypatch.setattr(gate, "measure", measure)
    monkeypatch.setattr(gate, "REFERENCE", reference)
    code = gate.run(accept=False)
    assert next(answers, None) is None, "measured less often than expected"
    return code


def test_what_is_worse_is_measured_again_and_fails_if_it_stays_worse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(monkeypatch, tmp_path, 2.4) == 0
    assert judged(monkeypatch, tmp_path, 2.7, 2.1) == 0
    assert judged(monkeypatch, tmp_path, 2.7, 2.8, 2.4) == 0
    capsys.readouterr()
    assert judged(monkeypatch, tmp_path, 2.7, 2.8, 2.6) == 1
    said = capsys.readouterr().out
    assert "WORSE, 3 times in a row: relay: reactor: 2.60" in said and "bench/run --gate --accept" in said


def test_the_reference_is_the_dearest_of_three_measurements(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers = iter([{"relay: reactor": 2.0, "echo: reactor": 3.0}, {"relay: reactor": 2.2, "echo: reactor": 2.9}, {"relay: reactor": 2.1, "echo: reactor": 3.1}])
    monkeypatch.setattr(gate, "measure", lambda cases: next(answers))
    monkeypatch.setattr(gate, "REFERENCE", tmp_path / "reference.json")
    assert gate.run(accept=True) == 0
    assert json.loads((tmp_path / "reference.json").read_text())["ratios"] == {"relay: reactor": 2.2, "echo: reactor": 3.1}


def test_a_busy_machine_is_not_judged_and_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(monkeypatch, tmp_path, TooBusy("relay: 2 of 5")) == 0
    assert judged(monkeypatch, tmp_path, 2.7, TooBusy("relay: 2 of 5")) == 0
    assert capsys.readouterr().out.count("machine too busy, not judged: relay: 2 of 5") == 2


def test_a_server_that_fails_is_no_busy_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert judged(monkeypatch, tmp_path, RuntimeError("parley-embedded did not start")) == 1
