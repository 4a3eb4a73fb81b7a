"""What is measured: each scenario runs its cases one after the other, and the whole again for each repeat (A B C A B C).

A case is one server with one load.
"""
import json
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

from . import crowds, generator, machine, micro, neighbours
from .plan import Result, Results, Run, Size  # noqa: F401  (for whoever runs scenarios)
from .servers import ALL, Parley, Server

@dataclass
class Scenario:
    name: str
    title: str
    cases: Callable[[Run], Iterator[Tuple[str, Callable[[], Result]]]]
    servers: Sequence[str] = field(default_factory=lambda: list(ALL))
    repeats: Optional[int] = None  # if not as many as the others


def _load(make: Callable[[], Server], *arguments: object) -> Callable[[], Result]:
    def measure() -> Result:
        with make() as server:
            return generator.load(server, *[str(a) for a in arguments])

    return measure


def _seconds(run: Run) -> List[object]:
    return ["--seconds", run.size.seconds, "--warmup", run.size.warmup()]


def _relay(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    """Everybody waits for each ack; and a quarter of the visitors, who each send four lines at once: as many unanswered messages with fewer wake-ups."""
    fewer = run.size.pairs // 4
    for name in run.usable:
        yield name, _load(ALL[name], "relay", "--pairs", run.size.pairs, "--window", 1, *_seconds(run))
        yield f"{name}, {fewer} × 4", _load(ALL[name], "relay", "--pairs", fewer, "--window", 4, "--seconds", run.size.seconds / 2, "--warmup", run.size.warmup() / 2)


def _bursts(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    for name in run.usable:
        yield name, _load(ALL[name], "relay", "--pairs", run.size.pairs // 2, "--window", 8, *_seconds(run))


def latency_rates(run: Run) -> List[int]:
    """Two rates for everybody: one that all but the slowest can do, and half of what Parley does with `everysec`."""
    half = run.saturation("parley-everysec") / 2
    return [1000, 5000, int(round(half, -2))] if not run.size.quick else [500]


def _latency(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    for rate in latency_rates(run):
        for name in run.usable:
            yield f"{name} at {rate}/s", _load(ALL[name], "relay", "--pairs", run.size.pairs, "--window", 16, "--rate", rate, *_seconds(run))


def _shares(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    """Each store at parts of its own saturation."""
    for share in (0.1, 0.5, 0.8):
        for name in run.usable:
            rate = int(run.saturation(name) * share)
            yield f"{name} at {share:.0%}", _load(ALL[name], "relay", "--pairs", run.size.pairs, "--window", 16, "--rate", rate, *_seconds(run))


def _archive(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    """Twice as many messages as wait at a time, on both cores, nothing else running."""
    items = run.size.backlog

    def measure() -> Result:
        command = [str(machine.FLUSH_BENCH), "--items", str(items), "--rounds", "2", "--no-index"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise generator.Refused(done.stderr[-500:])
        return json.loads(done.stdout)

    yield f"{items:,} waiting", measure


class _Sampler:
    """Flush lag, backlog and memory once a second while a load runs."""

    def __init__(self, server: Parley) -> None:
        self.server, self.samples, self.ended = server, [], threading.Event()
        self.thread = threading.Thread(target=self._sample)

    def _sample(self) -> None:
        begin = time.monotonic()
        while not self.ended.wait(1):
            with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as status:
                rss = next(int(line.split()[1]) / 1000 for line in status if line.startswith("RssAnon"))
            self.samples.append(
                {
                    "s": round(time.monotonic() - begin, 1),
                    "flush_lag_s": self.server.metric("parley_archive_flush_lag_seconds"),
                    "backlog_items": self.server.metric("parley_archive_backlog_items"),
                    "rss_mb": rss,
                }
            )

    def __enter__(self) -> "_Sampler":
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.ended.set()
        self.thread.join()


def _sustained(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    peak = run.saturation("parley-everysec")

    def case(share: float, search: bool) -> Callable[[], Result]:
        def measure() -> Result:
            with Parley("everysec", search=search) as server, _Sampler(server) as sampler:
                arguments = ["relay", "--pairs", run.size.pairs, "--window", 16, "--rate", int(peak * share), "--seconds", run.size.sustained_seconds, "--warmup", run.size.warmup()]
                return {**generator.load(server, *[str(a) for a in arguments]), "samples": sampler.samples}

        return measure

    for share in (0.5, 0.7):
        yield f"{share:.0%} of saturation, search off", case(share, False)
    yield "50% of saturation, search on", case(0.5, True)


def _broadcast(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    # Few enough messages that each finds the receivers idle: one send per receiver and message, for everybody.
    for name in run.usable:
        yield name, _load(ALL[name], "broadcast", "--receivers", 500, "--rate", 20 if run.size.quick else 50, *_seconds(run))


def _echo(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    for name in run.usable:
        yield name, _load(ALL[name], "echo", "--pairs", min(run.size.pairs, 1000), "--window", 1, *_seconds(run))


class _Questions(Parley):
    protocol = "parley-questions"


def _questions(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    makers = {"floor": ALL["floor"], "parley-embedded": lambda: _Questions("embedded")}
    for name in (name for name in run.usable if name in makers):
        yield name, _load(makers[name], "echo", "--bytes", 16, "--pairs", min(run.size.pairs, 1000), "--window", 1, *_seconds(run))


def _sessions(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    for name in run.usable:
        # As many at a time as keep a server busy.
        yield name, _load(ALL[name], "sessions", "--sessions", run.size.sessions, "--concurrency", 256)
    if "parley-embedded" in run.usable:
        yield "agents with a list, parley-embedded", _load(ALL["parley-embedded"], "sessions", "--role", "agent", "--lists", "--sessions", run.size.agents, "--concurrency", 256)


class _Conversations(Parley):
    protocol = "parley-conversations"


def _conversations(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    for name in run.usable:
        store = name.removeprefix("parley-")
        yield name, _load(lambda store=store: _Conversations(store), "relay", "--pairs", min(run.size.pairs, 1000), "--window", 1, *_seconds(run))


def _reactors(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    """All reactors on one core: what the second one costs, since there is nothing it could win."""
    rate = 1000 if run.size.quick else 10000
    arguments = ["relay", "--pairs", min(run.size.pairs, 1000), "--window", 16, "--rate", rate, *_seconds(run)]
    for title, tenants, width in (("sixteen small tenants", 16, 1), ("one wide tenant", 1, 2)):
        for reactors in (1, 2):
            yield f"{title}, {reactors} reactor{'s' * (reactors > 1)}", _load(
                lambda reactors=reactors, tenants=tenants, width=width: Parley("embedded", reactors=reactors, tenants=tenants, width=min(width, reactors)), *arguments
            )


def _micro(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    yield "parley_micro", lambda: {"rows": micro.run(run.size.quick), "errors": 0}


def _start(run: Run) -> Iterator[Tuple[str, Callable[[], Result]]]:
    def case(store: str) -> Callable[[], Result]:
        def measure() -> Result:
            seconds = 0.1
            # Not load(), which also waits until the archive has everything.
            with Parley(store) as server, generator.Load(server, "relay", "--pairs", "1", "--rate", "100", "--warmup", "0", "--seconds", str(seconds)) as running:
                result = running.result()
                # The chat was over before the measured time began: it is part of setting up the pair.
                chat = time.monotonic() - server.started - seconds
                return {"ready_ms": server.ready_seconds * 1e3, "chat_ms": chat * 1e3, "errors": result["errors"]}

        return measure

    for name in run.usable:
        yield name, case(name.removeprefix("parley-"))


PARLEY_ONLY = [name for name in ALL if name.startswith("parley-")]
WITHOUT_GROUPS = [name for name in ALL if name != "ejabberd"]  # a conference room is another protocol there

SCENARIOS = [
    Scenario("relay", "Messages per second at saturation", _relay),
    Scenario("bursts", "The same with eight unanswered messages per visitor", _bursts),
    Scenario("latency", "Latency at a fixed rate", _latency),
    Scenario("shares", "Latency of each store at parts of its own saturation", _shares, servers=PARLEY_ONLY),
    Scenario("archive", "A backlog of the standard store, and pages of old messages", _archive, servers=["parley-everysec"], repeats=1),
    Scenario("sustained", "Sustained load, all the way into PostgreSQL", _sustained, servers=["parley-everysec"], repeats=1),
    Scenario("broadcast", "One message to 500 receivers", _broadcast, servers=WITHOUT_GROUPS),
    Scenario("echo", "Messages back to their sender", _echo),
    Scenario("questions", "Questions that the server answers itself, nothing stored", _questions),
    Scenario("sessions", "Idle sessions and handshakes", _sessions),
    Scenario("conversations", "New conversations: opened, assigned, closed", _conversations, servers=PARLEY_ONLY),
    Scenario("reactors", "One and two reactors on the same core", _reactors, servers=["parley-embedded"]),
    Scenario("storm", "Everybody comes back at once", crowds.storm, servers=PARLEY_ONLY),
    Scenario("flood", "A tenant at ten times its quota", neighbours.flood, servers=["parley-embedded", "parley-everysec"], repeats=1),
    Scenario("stalled", "Receivers who do not read", neighbours.stalled, servers=["parley-embedded"], repeats=1),
    Scenario("many", "Many connections", crowds.many, servers=["parley-embedded"], repeats=1),
    Scenario("micro", "What one step costs", _micro, servers=["parley-embedded"], repeats=1),
    Scenario("start", "From exec to the first chat", _start, servers=PARLEY_ONLY),
]


def median(results: Sequence[Result], *path: str) -> float:
    return statistics.median(pick(results, *path))


def pick(results: Sequence[Result], *path: str) -> List[float]:
    """The figure at `path` of each repeat; 0 where it is missing."""
    values = []
    for result in results:
        value: Any = result
        for key in path:
            value = value.get(key, 0) if isinstance(value, dict) else 0
        values.append(value)
    return values
