"""The short form for CI: what does a message cost in CPU, as a multiple of the floor's, measured side by side? Ratios hold on
any machine, times do not. What looks worse is measured again and fails only if it is worse three times in a row; the
reference is the dearest of three measurements. So what is noise passes, and what costs a quarter more does not."""
import json
from typing import Any, Dict, Iterable, List

from . import generator, machine, verdict
from .servers import ALL
from .tables import main_us, others_busy, reactor_us
from .verdict import Leg, Round

REFERENCE = machine.TOP / "bench" / "reference.json"
ROUNDS = 5
ATTEMPTS = 3
CASES = {
    "relay": ["relay", "--pairs", "500", "--window", "1", "--seconds", "1.5", "--warmup", "0.5"],
    "echo": ["echo", "--pairs", "200", "--window", "1", "--seconds", "1.5", "--warmup", "0.5"],
    "broadcast": ["broadcast", "--receivers", "500", "--rate", "40", "--seconds", "1.5", "--warmup", "0.5"],
}
ACCEPT = "bench/run --gate --accept, and commit bench/reference.json"


def _leg(name: str, arguments: List[str]) -> Leg:
    with ALL[name]() as server:
        result: Dict[str, Any] = generator.load(server, *arguments)
    return Leg(reactor_us(result), main_us(result), others_busy(result), result["valid"])


def measure(cases: Iterable[str]) -> Dict[str, float]:
    """Medians of Parley's CPU per message divided by the floor's of the same round. Throws verdict.TooBusy."""
    rounds: Dict[str, List[Round]] = {case: [] for case in cases}
    for _ in range(ROUNDS):
        for case, done in rounds.items():
            done.append(Round(_leg("floor", CASES[case]), _leg("parley-embedded", CASES[case])))
    return verdict.ratios(rounds)


def _judge(now: Dict[str, float], reference: Dict[str, float]) -> int:
    strangers = verdict.unmatched(now, reference)
    if strangers:
        print(f"bench/reference.json and what was measured differ in {', '.join(strangers)}; {ACCEPT}")
        return 1
    suspects = verdict.worse(now, reference)
    for _ in range(ATTEMPTS - 1):
        if not suspects:
            break
        print("looks worse, measured again: " + "; ".join(str(one) for one in suspects), flush=True)
        again = measure(dict.fromkeys(one.case() for one in suspects))
        suspects = [one for one in verdict.worse(again, reference) if one.name in {earlier.name for earlier in suspects}]
    for name, ratio in now.items():
        print(f"{name}: {ratio:.2f} times the floor, reference {reference[name]:.2f}")
    for one in suspects:
        print(f"WORSE, {ATTEMPTS} times in a row: {one}")
    if suspects:
        print(f"If the change is worth that: {ACCEPT}")
    return 1 if suspects else 0


def run(accept: bool) -> int:
    """The exit code. `accept` makes what was measured the new reference."""
    try:
        if not accept:
            return _judge(measure(CASES), json.loads(REFERENCE.read_text())["ratios"])
        now = verdict.dearest([measure(CASES) for _ in range(ATTEMPTS)])
    except verdict.TooBusy as busy:
        print(f"machine too busy, not {'accepted' if accept else 'judged'}: {busy}")
        return 1 if accept else 0
    except (generator.Refused, RuntimeError) as error:
        print(f"FAILED: {error}")
        return 1
    REFERENCE.write_text(json.dumps({"what": "CPU per message as a multiple of the floor's, written by bench/run --gate --accept", "ratios": now}, indent=2) + "\n")
    print(f"reference: {now}")
    return 0
