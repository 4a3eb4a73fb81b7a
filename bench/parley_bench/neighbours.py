"""Scenarios in which somebody misbehaves, and others are to notice nothing: each is measured without and with, in turn, many times."""
import statistics
import time
from typing import Any, Callable, Dict, Iterator, List, Tuple

from . import generator
from .plan import Result, Run
from .servers import Parley

QUOTA = 1000  # messages per second of a tenant
FLOOD = 10 * QUOTA
QUIET = ["relay", "--pairs", "100", "--window", "16", "--rate", "500", "--warmup", "0.3"]


def _result(calm: List[Result], disturbed: List[Result], key: str, **more: Any) -> Dict[str, Any]:
    """What the others see, in microseconds: medians of each leg."""
    runs = calm + disturbed
    return {
        "calm_us": [run[key]["p50"] for run in calm],
        "disturbed_us": [run[key]["p50"] for run in disturbed],
        "calm_p99_us": [run[key]["p99"] for run in calm],
        "disturbed_p99_us": [run[key]["p99"] for run in disturbed],
        "valid": statistics.mean(run["valid"] for run in runs) >= 0.9,
        "rss_mb": max(next(iter(run["servers"].values()))["rss_mb"] for run in runs),
        "errors": sum(run["errors"] for run in runs),
        **more,
    }


def flood(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    """One tenant sends ten times what it may; what another one, on the same reactor, sees of its own acks."""
    pairs, seconds = (2, 1) if run.size.quick else (12, 3)

    def case(store: str) -> Callable[[], Result]:
        def measure() -> Result:
            calm: List[Result] = []
            flooded: List[Result] = []
            refused: List[float] = []
            with Parley(store, tenants=2, quota=QUOTA) as server:
                noisy, quiet = server.only(0), server.only(1)
                legs = [*QUIET, "--seconds", str(seconds)]
                noise = ["relay", "--pairs", "1000", "--window", "1", "--rude", "--rate", str(FLOOD), "--warmup", "0", "--seconds", str(seconds + 2)]
                for _ in range(pairs):
                    calm.append(generator.load(quiet, *legs))
                    with generator.Load(noisy, *noise, urgent=False) as flooding:
                        time.sleep(1.5)  # until its visitors are signed in
                        flooded.append(generator.load(quiet, *legs))
                        refused.append(flooding.result()["refused_per_s"])
            return _result(calm, flooded, "ack_us", refused_per_s=statistics.median(refused))

        return measure

    for name in run.usable:
        yield name, case(name.removeprefix("parley-"))


def stalled(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    """A broadcast of which one receiver in a hundred reads nothing; when it comes to the others."""
    pairs, seconds, receivers = (2, 1, 300) if run.size.quick else (10, 4, 10000)

    def case(store: str) -> Callable[[], Result]:
        def measure() -> Result:
            legs: Dict[int, List[Result]] = {0: [], receivers // 100: []}
            common = ["broadcast", "--receivers", str(receivers), "--rate", "4", "--bytes", "2000", "--window", "16", "--warmup", "1", "--seconds", str(seconds)]
            for _ in range(pairs):
                for count, results in legs.items():
                    with Parley(store) as server:
                        results.append(generator.load(server, *common, "--stalled", str(count)))
            calm, disturbed = legs.values()
            return _result(calm, disturbed, "delivery_us", receivers=receivers)

        return measure

    for name in run.usable:
        yield name, case(name.removeprefix("parley-"))
