"""What single steps cost: bench/micro, on the core that the server has in the other measurements."""
import json
import os
import statistics
import subprocess
from typing import Any, Dict, List

from . import machine

MICRO = machine.BUILD / "parley_micro"
REPETITIONS = 3

_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}


def run(quick: bool = False) -> List[Dict[str, Any]]:
    """A row per benchmark, in their order: the median of the repetitions, with the least and the most of them.

    {name, ns, ns_low, ns_high, items_per_second, label}; `ns` is CPU time, for hops time by the clock, since they wait for each other. What cannot
    be measured here (a second core, Hyperscan) is left out.
    """
    command = [str(MICRO), "--benchmark_format=json", f"--benchmark_repetitions={REPETITIONS}", f"--benchmark_min_time={0.02 if quick else 0.3}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, preexec_fn=lambda: os.sched_setaffinity(0, {machine.SERVER_CORE}))
    if done.returncode:
        raise RuntimeError(f"{MICRO.name}: {done.stderr[-600:]}")
    return rows_of(json.loads(done.stdout))


def rows_of(report: Dict[str, Any]) -> List[Dict[str, Any]]:
    """From Google Benchmark's own form."""
    repetitions: Dict[str, List[Dict[str, Any]]] = {}
    for entry in report["benchmarks"]:
        if entry["run_type"] == "iteration" and not entry.get("error_occurred"):
            repetitions.setdefault(entry["run_name"], []).append(entry)
    rows = []
    for name, entries in repetitions.items():
        time = "real_time" if name.endswith("/real_time") else "cpu_time"
        ns = [entry[time] * _NS[entry["time_unit"]] for entry in entries]
        rows.append(
            {
                "name": name.removesuffix("/real_time"),
                "ns": statistics.median(ns),
                "ns_low": min(ns),
                "ns_high": max(ns),
                "items_per_second": statistics.median(entry["items_per_second"] for entry in entries),
                "label": entries[0].get("label", ""),
            }
        )
    return rows
