"""Scenarios with many sessions, for which one generator is not enough."""
import contextlib
import statistics
import time
from typing import Any, Callable, Dict, Iterator, List, Tuple

from . import generator
from .plan import Result, Run
from .servers import Parley

RELAY = ["relay", "--pairs", "200", "--window", "16", "--rate", "1000", "--warmup", "0.5"]


def storm(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    """Idle sessions are cut off and come back with their `resume`, while others go on chatting."""
    seconds = 3 if run.size.quick else 8

    def case(store: str) -> Callable[[], Result]:
        def measure() -> Result:
            chat = [*RELAY, "--seconds", str(seconds)]
            with Parley(store) as server:
                idle = ["sessions", "--sessions", str(run.size.sessions), "--hold", "--storm", "--concurrency", "1000"]
                with generator.Load(server, *idle) as crowd:
                    crowd.until_standing()
                    before = generator.load(server, *chat)
                    with generator.Load(server, *chat) as chatting:
                        time.sleep(seconds / 3)
                        back = crowd.result()  # ends standing: the storm begins
                        during = chatting.result()
            return {
                "sessions": run.size.sessions,
                "storm_seconds": back["storm_seconds"],
                "before": {key: before[key] for key in ("ack_us", "acked_per_s", "valid")},
                "during": {key: during[key] for key in ("ack_us", "acked_per_s", "valid")},
                "errors": during["errors"],
            }

        return measure

    for name in run.usable:
        yield name, case(name.removeprefix("parley-"))


def _plateau(servers: List[Parley], sessions: int, empty: Dict[str, float], seconds: float) -> Dict[str, Any]:
    """What the daemons use while nothing happens but heartbeats, and how a chat on one of them fares."""
    time.sleep(seconds)  # a share of the heartbeats is in it
    result = generator.load(servers[0], *RELAY, "--seconds", str(seconds))
    memory, kernel = _usage(servers)
    return {
        "sessions": sessions,
        "rss_mb": memory / 1e6,
        "kernel_mb": (kernel - empty["kernel"]) / 1e6,
        "cores_busy": result["cores_busy"],
        "ack_us": result["ack_us"],
        "valid": result["valid"],
    }


def _usage(servers: List[Parley]) -> Tuple[float, float]:
    """Anonymous memory of the daemons and slab of the kernel, in bytes."""
    memory = 0.0
    for server in servers:
        with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
            memory += next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))
    with open("/proc/meminfo", encoding="ascii") as meminfo:
        kernel = sum(int(line.split()[1]) * 1024 for line in meminfo if line.startswith(("Slab:", "PageTables:")))
    return memory, kernel


def many(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    """Independent daemons on one machine, each with as many sessions as a process may have files, all with heartbeats."""

    def measure() -> Result:
        of_daemon, plateaus = run.size.sessions_of_daemon, []
        steps = sorted({max(1, round(run.size.daemons * share)) for share in (0.04, 0.2, 0.4, 0.6, 0.8, 1)})
        servers: List[Parley] = []
        crowds: List[generator.Load] = []
        with contextlib.ExitStack() as stack:
            empty = {"kernel": _usage([])[1]}
            begin = time.monotonic()
            opening: List[float] = []
            for number in range(1, run.size.daemons + 1):
                servers.append(stack.enter_context(Parley("embedded")))
                started = time.monotonic()
                crowds.append(stack.enter_context(generator.Load(servers[-1], "sessions", "--hold", "--sessions", str(of_daemon))))
                crowds[-1].until_standing()
                opening.append(time.monotonic() - started)
                if number in steps:
                    plateaus.append(_plateau(servers, number * of_daemon, empty, 1 if run.size.quick else 15))
            standing = time.monotonic() - begin
            for crowd in crowds:
                crowd.result()  # fails if a single session was lost
        return {"plateaus": plateaus, "seconds": standing, "opening_s": statistics.median(opening), "errors": 0}

    yield "parley-embedded", measure
