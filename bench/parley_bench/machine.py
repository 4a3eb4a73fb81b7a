"""This machine: its cores, its description, the build, and processes that end with us."""
import ctypes
import os
import platform
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "support"))
from parley_test.ports import free_port  # noqa: E402,F401  (for whoever starts a server)

BUILD = TOP / "build" / "release"
PARLEY = BUILD / "src" / "app" / "parley"
LOAD = BUILD / "parley_load"
FLOOR = BUILD / "parley_floor"
FLUSH_BENCH = BUILD / "bench" / "store" / "flush_bench"
PEERS = TOP / "build" / "peers"  # what bench/peers/install makes
SCRATCH = TOP / "build" / "bench"  # data of the servers: in the working tree's file system, since a RAM disk would make fsync free

SERVER_CORE = 0  # the measured server, with Parley's SQLite writer
OTHER_CORE = 1  # load generator, Redis, PostgreSQL, Parley's flusher

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def build(*targets: str) -> None:
    """Everything, or these targets. PARLEY_BENCH_BUILT=1: it is built already, and is left as it is."""
    if os.environ.get("PARLEY_BENCH_BUILT") != "1":
        subprocess.run([str(TOP / "bench" / "install"), *targets], check=True, stdout=sys.stderr)


def scratch_folder(prefix: str) -> Path:
    SCRATCH.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=prefix + "-", dir=SCRATCH))


def spawn(command: Sequence[str], log: Path, core: int = SERVER_CORE, env: Optional[Dict[str, str]] = None, cwd: Optional[Path] = None) -> "subprocess.Popen[bytes]":
    """A process of ours on one core; it is killed when we end, however we end."""

    def end_with_us() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.sched_setaffinity(0, {core})
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    with open(log, "ab") as out:
        return subprocess.Popen(list(command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **(env or {})}, cwd=cwd, preexec_fn=end_with_us)


def until(what: str, ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not start: {log.read_text(errors='replace')[-1500:]}")
        time.sleep(0.003)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop(process: "subprocess.Popen[bytes]", seconds: float = 60) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def fsync_us() -> float:
    """Median of fdatasync after a 4 KiB append, where the servers' data lie."""
    folder = scratch_folder("fsync")
    fd = os.open(folder / "probe", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    times = []
    for _ in range(300):
        os.write(fd, b"x" * 4096)
        begin = time.perf_counter()
        os.fdatasync(fd)
        times.append((time.perf_counter() - begin) * 1e6)
    os.close(fd)
    (folder / "probe").unlink()
    folder.rmdir()
    return statistics.median(times)


def versions() -> Dict[str, str]:
    """Of what is compared with; what is not installed is left out."""

    def first_line(*command: str) -> Optional[str]:
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
        except (OSError, subprocess.CalledProcessError, IndexError):
            return None

    def debian(package: str) -> Optional[str]:
        return first_line("dpkg-query", "-W", "-f=${Version}", package)

    def node(package: str) -> Optional[str]:
        return first_line("node", "-p", f"JSON.parse(require('fs').readFileSync('{PEERS}/node/node_modules/{package}/package.json')).version")

    centrifugo = (TOP / "bench/peers/centrifugo/go.mod").read_text()
    found = {
        "Redis": debian("redis-server"),
        "PostgreSQL": debian("postgresql-15"),
        "Node.js": first_line("node", "--version"),
        "ws": node("ws"),
        "socket.io": node("socket.io"),
        "nats-server": debian("nats-server"),
        "ejabberd": debian("ejabberd"),
        "Centrifugo": next((line.split()[-1] for line in centrifugo.splitlines() if line.startswith("require github.com/centrifugal/centrifugo")), None),
    }
    return {name: version for name, version in found.items() if version}


def description() -> Dict[str, Any]:
    def one_of(path: str, label: str) -> str:
        return next((line.split(":", 1)[1].strip() for line in open(path, encoding="utf-8") if line.startswith(label)), "unknown")

    return {
        "cpu": one_of("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_gb": round(int(one_of("/proc/meminfo", "MemTotal").split()[0]) / 1e6),
        "kernel": platform.release(),
        "system": next((line.split("=")[1].strip().strip('"') for line in open("/etc/os-release", encoding="utf-8") if line.startswith("PRETTY_NAME=")), ""),
        "versions": versions(),
        "stripped_mb": stripped_mb(),
    }


def stripped_mb() -> float:
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["strip", "-o", out.name, str(PARLEY)], check=True)
        return os.path.getsize(out.name) / 1e6


def revision() -> str:
    """The commit, and "-dirty" if something else than the page was changed since: a run writes that itself, after each scenario."""

    def git(*command: str) -> str:
        return subprocess.run(["git", *command], cwd=TOP, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":!docs/benchmarks", ":!docs/benchmarks.md")
    return (git("describe", "--always") or "unknown") + ("-dirty" if changed else "")


def known_cores() -> List[int]:
    return sorted(os.sched_getaffinity(0))
