"""What the gate makes of what it measured. Nothing is run here, so that it can be tested with made-up figures."""
import statistics
from dataclasses import dataclass
from typing import Dict, List, Sequence

WORSE_MAX = 1.25
OTHERS_MAX = 0.3  # cores that other processes may take during a run that counts
CALM_MIN = 3  # rounds a median needs


@dataclass
class Leg:
    """One server under one load."""

    reactor_us: float
    process_us: float
    others: float  # cores that went to other processes meanwhile
    valid: bool

    def calm(self) -> bool:
        return self.valid and self.others <= OTHERS_MAX


@dataclass
class Round:
    """The floor and Parley under the same load, one right after the other."""

    floor: Leg
    ours: Leg


@dataclass
class Worse:
    name: str  # "case: figure"
    ratio: float
    reference: float

    def __str__(self) -> str:
        more = self.ratio / self.reference - 1
        return f"{self.name}: {self.ratio:.2f} times the floor's CPU per message instead of {self.reference:.2f}: {more:.0%} worse, {WORSE_MAX - 1:.0%} are let pass"

    def case(self) -> str:
        return self.name.split(":")[0]


class TooBusy(Exception):
    """Too few rounds were undisturbed; nothing can be said."""


def ratios(rounds: Dict[str, Sequence[Round]]) -> Dict[str, float]:
    """By "case: figure", the median of the calm rounds' ratios; each compares what ran side by side."""
    found: Dict[str, float] = {}
    for case, all_of_case in rounds.items():
        calm = [r for r in all_of_case if r.floor.calm() and r.ours.calm()]
        if len(calm) < CALM_MIN:
            most = max((leg.others for r in all_of_case for leg in (r.floor, r.ours)), default=0.0)
            raise TooBusy(f"{case}: {len(calm)} of {len(all_of_case)} rounds undisturbed, other processes took up to {most:.1f} cores")
        found[f"{case}: reactor"] = round(statistics.median(r.ours.reactor_us / r.floor.process_us for r in calm), 2)
        found[f"{case}: process"] = round(statistics.median(r.ours.process_us / r.floor.process_us for r in calm), 2)
    return found


def dearest(measured: Sequence[Dict[str, float]]) -> Dict[str, float]:
    """Of each figure the highest."""
    return {name: max(one[name] for one in measured) for name in measured[0]}


def worse(now: Dict[str, float], reference: Dict[str, float]) -> List[Worse]:
    """What costs more than it may, of what both know."""
    return [Worse(name, ratio, reference[name]) for name, ratio in now.items() if name in reference and ratio > reference[name] * WORSE_MAX]


def unmatched(now: Dict[str, float], reference: Dict[str, float]) -> List[str]:
    """What only one of them knows: then the reference belongs to another form of the gate."""
    return sorted(now.keys() ^ reference.keys())
