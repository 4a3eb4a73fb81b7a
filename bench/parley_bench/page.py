"""docs/benchmarks.md, its plots and its numbers. A run of some scenarios replaces theirs and leaves the others as they are."""
import json
import statistics
from pathlib import Path
from typing import Any, Dict

from . import machine, tables, targets
from .scenarios import SCENARIOS
from .servers import ALL

PAGE = machine.TOP / "docs" / "benchmarks.md"
FOLDER = machine.TOP / "docs" / "benchmarks"
NUMBERS = FOLDER / "results.json"
NOTES = "## Notes"


def _times(entry: Dict[str, Any]) -> str:
    repeats = "once" if entry["repeats"] == 1 else f"{entry['repeats']} times"
    return f"{repeats} `parley_load {entry['command']}`" if entry["command"] else repeats


def known(path: Path = NUMBERS) -> Dict[str, Any]:
    """What earlier runs left, if this form of it."""
    stored = json.loads(path.read_text()) if path.exists() else {}
    return stored if "scenarios" in stored else {"scenarios": {}, "skipped": {}, "fsync_us": []}


def render(numbers: Dict[str, Any]) -> Dict[str, str]:
    """Texts of the page and its plots by file name; the page is benchmarks.md."""
    about, scenarios = numbers["machine"], numbers["scenarios"]
    files: Dict[str, str] = {}
    parts = []
    for scenario in SCENARIOS:
        if scenario.name not in scenarios:
            continue
        entry = scenarios[scenario.name]
        text, drawn = tables.draw(scenario.name, entry["results"])
        files.update(drawn)
        pictures = "".join(f"\n![{name.removesuffix('.svg')}](benchmarks/{name})\n" for name in drawn)
        absent = [f"* {server}: {why}" for server, why in numbers["skipped"].items() if server in scenario.servers]
        parts.append(
            f"## {scenario.title}\n`bench/run --only {scenario.name}`, revision {entry['revision']}, {entry['when']}, {_times(entry)}\n\n{text}"
            + ("\nNot measured:\n" + "\n".join(absent) + "\n" if absent else "")
            + pictures
        )
    fsync = statistics.median(numbers["fsync_us"])
    figures = {name: entry["results"] for name, entry in scenarios.items()}
    judged = targets.judge(figures, fsync)
    servers = "\n".join(f"* **{name}**: {server.remarks} Stored before the ack: {server.stored}." for name, server in ((n, make()) for n, make in ALL.items()))
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    files["benchmarks.md"] = f"""# Benchmarks

Written by `bench/run`; run it again for the figures of your machine. It builds the daemon, the floor and the load generator, installs what it compares with (`bench/peers/install`), and runs all of them in turn (A B C A B C).
Cells are the median of the repeats, with the lowest and highest. Every number behind them: [results.json](benchmarks/results.json).

Machine: {about['cpu']}, {about['cores']} cores, {about['memory_gb']} GB, {about['system']}, Linux {about['kernel']}, fdatasync of 4 KiB {tables.cell(numbers['fsync_us'])} µs. {versions}.

The measured server has core {machine.SERVER_CORE} (with Parley's reactor and SQLite writer); load generator, Redis, PostgreSQL and Parley's flusher have core {machine.OTHER_CORE}, the same for everybody; all on loopback, Redis by Unix
sockets, texts of 300 bytes, no TLS. Saturation: 2,000 visitors, each sends its next message when the last one was acknowledged. At a fixed rate latency counts from the time a message was due (open loop), so a stall of the server
shows in full, until the kernel has the answer for the client. What is due within 200 µs goes out together, and the generator sleeps in between, to leave core 1 to the stores: that lateness is the schedule lag, and part of the latency, for everybody. The generator then runs with real-time priority, since it shares its core with the stores, and a run in which it was more than 1 ms late all the same at p99 is invalid. Each run ends with a check that every message was acknowledged and came to every receiver, once and in order. "others' cores" is what
other processes took of the machine meanwhile (1.0 = one core): the nearer to 0, the better the figures. "reactor" is the threads that carry messages; of other servers it is the whole process.
"held back by" and "full" say what was busy for {tables.CORE_FULL:.0%} or more: the server on core 0, core 1 with generator and stores, or both; "generator" if that alone took {tables.GENERATOR_FULL:.0%} of core 1, and "other processes" if those took more than {tables.OTHERS_MAX:.0%} of one. What is in bold held back more than the server.

{servers}

## Targets
{targets.disturbed(figures)}{targets.held_back(figures)}
{targets.as_table(judged)}
Stripped program: {about['stripped_mb']:.1f} MB.

{chr(10).join(parts)}"""
    return files


def write(numbers: Dict[str, Any]) -> None:
    FOLDER.mkdir(exist_ok=True)
    files = render(numbers)
    page = files.pop("benchmarks.md")
    notes = PAGE.read_text().split(NOTES, 1)[1] if PAGE.exists() and NOTES in PAGE.read_text() else "\n"
    PAGE.write_text(page + "\n" + NOTES + notes)
    for name, svg in files.items():
        (FOLDER / name).write_text(svg)
    NUMBERS.write_text(json.dumps(numbers, indent=1) + "\n")
