"""Flame graphs of a saturated server's main thread: where its CPU goes, as an SVG without scripts. The idea and the reading are Brendan Gregg's (https://www.brendangregg.com/flamegraphs.html)."""
import collections
import html
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

from . import generator, machine
from .servers import ALL, Server

HERTZ = 1999  # of cpu-clock; odd, so that it does not beat with timers
SECONDS = 6
WIDTH, ROW = 1200, 17
SMALLEST = 0.0015  # of all samples; narrower frames are left out
KERNEL, OURS, OTHERS, STANDARD = "#d97706", "#2563eb", "#6b7280", "#7c3aed"

Stack = Tuple[str, ...]


def available() -> bool:
    return shutil.which("perf") is not None


def record(name: str) -> "collections.Counter[Stack]":
    """Stacks of the thread that carries messages, root first, while `name` is saturated."""
    samples = machine.scratch_folder("perf") / "perf.data"
    arguments = ["relay", "--pairs", "2000", "--window", "1", "--warmup", "2", "--seconds", str(SECONDS + 2)]
    with ALL[name]() as server:
        with generator.Load(server, *arguments) as load:
            time.sleep(6)  # until everybody is signed in and warm
            command = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(HERTZ), "--call-graph", "fp", "-t", str(_thread(server)), "-o", str(samples), "--", "sleep", str(SECONDS - 2)]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
            load.result()
        text = subprocess.run(["perf", "script", "-i", str(samples), "-F", "ip,sym"], check=True, capture_output=True, text=True).stdout
    shutil.rmtree(samples.parent)
    return collections.Counter(_stacks(text))


def _thread(server: Server) -> int:
    pid = server.process.pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "reactor-0":
            return int(task.name)
    return int(pid)


def _stacks(text: str) -> Iterator[Stack]:
    for block in text.split("\n\n"):
        frames = [line.split(None, 1)[1] for line in block.splitlines() if len(line.split(None, 1)) == 2]
        if frames:
            yield tuple(plain(frame) for frame in reversed(frames) if not _is_plumbing(frame))


def _is_plumbing(frame: str) -> bool:
    return frame.startswith(("[unknown]", "boost::asio::", "std::_Function_handler", "std::thread::", "entry_SYSCALL", "do_syscall_64", "__x64_sys", "start_thread", "clone"))


def plain(symbol: str) -> str:
    """Without template arguments and parameters: what a reader wants to know."""
    symbol = symbol.replace("(anonymous namespace)::", "").replace("[abi:cxx11]", "")
    if symbol.startswith("std::_Hashtable<"):
        key = re.match(r"std::_Hashtable<([\w:]+)", symbol)
        return f"unordered_map of {key.group(1).split('::')[-1] if key else '?'}"
    depth, out = 0, []
    for at, ch in enumerate(symbol):
        if ch == "<" and not symbol.startswith("operator", max(0, at - 8)):
            depth += 1
        elif ch == ">" and depth > 0:
            depth -= 1
        elif ch == "(" and depth == 0:
            break
        elif depth == 0:
            out.append(ch)
    return "".join(out).strip() or symbol


class Node:
    def __init__(self) -> None:
        self.count = 0
        self.below: Dict[str, Node] = collections.defaultdict(Node)


def _tree(stacks: "collections.Counter[Stack]") -> Node:
    root = Node()
    for stack, count in stacks.items():
        node = root
        node.count += count
        for frame in stack:
            node = node.below[frame]
            node.count += count
    return root


def _colour(name: str) -> str:
    if name.startswith("parley::"):
        return OURS
    if name.startswith(("std::", "unordered_map", "simdjson", "boost")):
        return STANDARD
    known = name.startswith(("_int_", "malloc", "free", "cfree", "operator new", "operator delete", "__libc", "je_", "__mem"))
    return OTHERS if known else KERNEL


def draw(stacks: "collections.Counter[Stack]", title: str) -> str:
    root = _tree(stacks)
    body: List[str] = []

    def place(node: Node, left: float, level: int) -> int:
        deepest = level
        for name, child in sorted(node.below.items(), key=lambda item: item[0]):
            share = child.count / root.count
            if share >= SMALLEST:
                width = share * WIDTH
                y = 44 + level * ROW
                label = f"{name} {share:.1%}"
                body.append(f'<g><title>{html.escape(label)}</title><rect x="{left:.1f}" y="{y}" width="{max(width - 0.6, 0.4):.1f}" height="{ROW - 1}" rx="1" fill="{_colour(name)}" fill-opacity="0.82"/>')
                room = int(width / 6.4)
                if room >= 4:
                    shown = name.removeprefix("parley::") if len(label) > room else label
                    shown = shown if len(shown) <= room else shown[: room - 1] + "…"
                    body.append(f'<text x="{left + 3:.1f}" y="{y + 12}">{html.escape(shown)}</text>')
                body.append("</g>")
                deepest = max(deepest, place(child, left, level + 1))
            left += share * WIDTH
        return deepest

    height = 60 + (place(root, 0, 0) + 1) * ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="ui-monospace, monospace" font-size="10.5" fill="#fff" role="img">\n'
        f"<title>{html.escape(title)}</title>\n"
        f'<text x="4" y="18" font-size="15" font-weight="600" fill="#6b7280" font-family="system-ui, sans-serif">{html.escape(title)}</text>\n'
        f'<text x="4" y="34" fill="#6b7280" font-family="system-ui, sans-serif">{root.count:,} samples; callers above, width is CPU time. '
        f'<tspan fill="{OURS}">Parley</tspan>, <tspan fill="{STANDARD}">libraries</tspan>, <tspan fill="{OTHERS}">allocator and C library</tspan>, <tspan fill="{KERNEL}">kernel, and what has no name</tspan></text>\n' + "\n".join(body) + "\n</svg>\n"
    )


def run(names: List[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        target = folder / f"flame-{name}.svg"
        target.write_text(draw(record(name), f"{name}, 2,000 visitors, saturated ({machine.revision()})"))
        print(f"{name}: {target.relative_to(machine.TOP)}")
