"""The short form for CI: what does a message cost in CPU, as a multiple of the floor's, measured side by side? Ratios hold on
any machine, times do not."""
import json
import statistics
from typing import Dict, List

from . import generator, machine
from .servers import ALL
from .tables import main_us, reactor_us

REFERENCE = machine.TOP / "bench" / "reference.json"
WORSE_MAX = 1.25
ROUNDS = 5
CASES = {
    "relay": ["relay", "--pairs", "500", "--window", "1", "--seconds", "1.5", "--warmup", "0.5"],
    "echo": ["echo", "--pairs", "200", "--window", "1", "--seconds", "1.5", "--warmup", "0.5"],
    "broadcast": ["broadcast", "--receivers", "500", "--rate", "40", "--seconds", "1.5", "--warmup", "0.5"],
}


def measure() -> Dict[str, float]:
    """Median over the rounds of Parley's CPU per message divided by the floor's of the same round."""
    ratios: Dict[str, List[float]] = {}
    for _ in range(ROUNDS):
        for case, arguments in CASES.items():
            results = {}
            for name in ("floor", "parley-embedded"):
                with ALL[name]() as server:
                    results[name] = generator.load(server, *arguments)
            floor = main_us(results["floor"])
            ratios.setdefault(f"{case}: reactor", []).append(reactor_us(results["parley-embedded"]) / floor)
            ratios.setdefault(f"{case}: process", []).append(main_us(results["parley-embedded"]) / floor)
    return {name: round(statistics.median(values), 2) for name, values in ratios.items()}


def run(accept: bool) -> int:
    """The exit code. `accept` makes what was measured the new reference."""
    now = measure()
    if accept:
        REFERENCE.write_text(json.dumps({"what": "CPU per message as a multiple of the floor's, written by bench/run --gate --accept", "ratios": now}, indent=2) + "\n")
        print(f"reference: {now}")
        return 0
    reference = json.loads(REFERENCE.read_text())["ratios"]
    failed = 0
    for name in now.keys() - reference.keys():
        print(f"{name}: bench/reference.json does not know it; bench/run --gate --accept writes it anew")
        failed += 1
    for name, ratio in ((name, ratio) for name, ratio in now.items() if name in reference):
        limit = reference[name] * WORSE_MAX
        verdict = "ok" if ratio <= limit else "WORSE"
        failed += ratio > limit
        print(f"{name}: {ratio:.2f} times the floor, reference {reference[name]:.2f}, limit {limit:.2f}: {verdict}")
    return 1 if failed else 0
