"""What a scenario is given, and what it gives back."""
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Sequence

Result = Dict[str, Any]
Results = Dict[str, List[Result]]  # by case


@dataclass
class Size:
    """How long and how large; `quick` only shows that everything works."""

    quick: bool
    seconds: float = 10
    sustained_seconds: float = 60
    repeats: int = 3
    pairs: int = 2000
    backlog: int = 5_000_000
    sessions: int = 15000
    agents: int = 10000
    daemons: int = 28
    sessions_of_daemon: int = 18000

    @staticmethod
    def of(quick: bool) -> "Size":
        return Size(True, seconds=1.5, sustained_seconds=4, repeats=1, pairs=200, backlog=50_000, sessions=500, agents=300, daemons=3, sessions_of_daemon=300) if quick else Size(False)

    def warmup(self) -> float:
        return 0.5 if self.quick else 2


@dataclass
class Run:
    """What a scenario is given: which servers may be used, and what was measured so far."""

    size: Size
    usable: Sequence[str]
    saturation: Callable[[str], float]  # messages/s of a server, from the scenario `relay`; LookupError if that has none
