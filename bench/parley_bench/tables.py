"""From results to Markdown tables and plots, a function for each scenario."""
import re
import statistics
from typing import Any, Dict, List, Sequence, Tuple

from . import plots
from .plan import Result, Results
from .scenarios import median, pick
from .servers import ALL
from .verdict import OTHERS_MAX

Plots = Dict[str, str]  # file name → SVG
_servers = {name: make() for name, make in ALL.items()}


def cell(values: Sequence[float], digits: int = 0) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    if len(values) == 1 or f"{low:.{digits}f}" == f"{high:.{digits}f}":
        return f"{middle:,.{digits}f}"
    return f"{middle:,.{digits}f} [{low:,.{digits}f}–{high:,.{digits}f}]"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def server_of(case: str) -> str:
    return re.split(" at |, ", case)[0]


def server_us(result: Result) -> float:
    """CPU of the server and of all it stands on, per message."""
    return sum(server["us_per_unit"] for server in result["servers"].values())


def main_us(result: Result) -> float:
    """CPU of the measured server's own process."""
    return next(iter(result["servers"].values()))["us_per_unit"]


def reactor_us(result: Result) -> float:
    """CPU of the threads that carry messages: Parley's reactors, for others the whole process."""
    reactors = [thread["us_per_unit"] for name, thread in result["threads"].items() if name.startswith("reactor-")]
    return sum(reactors) if reactors else main_us(result)


def store_us(result: Result, name: str) -> float:
    """CPU of one of the servers behind, 0 if there is none of that name."""
    return result["servers"].get(name, {}).get("us_per_unit", 0.0)


def others_busy(result: Result) -> float:
    """Cores that went to something else on this machine: what disturbed the measurement."""
    known = sum(server["busy"] for server in result["servers"].values()) + result["generator_busy"]
    return max(0.0, sum(result["cores_busy"].values()) - known)


def ratio_to_floor(results: Results, case: str, figure, floor_case: str = "floor") -> str:
    if case == floor_case:
        return "1"
    floor = statistics.median(figure(r) for r in results[floor_case]) if floor_case in results else 0
    return f"{statistics.median(figure(r) for r in results[case]) / floor:.2f}" if floor else "–"


def _busy(results: Sequence[Result]) -> List[str]:
    return [
        f"{median(results, 'cores_busy', '0'):.0%}",
        f"{median(results, 'cores_busy', '1'):.0%}",
        f"{median(results, 'generator_busy'):.0%}",
        f"{statistics.median(others_busy(r) for r in results):.2f}",
    ]


GENERATOR_FULL, CORE_FULL = 0.85, 0.9


def held_back_by(runs: Sequence[Result]) -> str:
    """What was full, in bold if that is not the server. At a fixed rate nothing has to be full."""
    if statistics.median(others_busy(r) for r in runs) > OTHERS_MAX:
        return "**other processes**"
    server, other = (median(runs, "cores_busy", core) >= CORE_FULL for core in ("0", "1"))
    if median(runs, "generator_busy") >= GENERATOR_FULL:
        return "**generator**"
    if other:
        return "**both cores**" if server else "**core 1**"
    return "server" if server else "–" if median(runs, "rate_asked") else "nothing"


def _bars(results: Results, title: str, unit: str, figure) -> str:
    rows = []
    for case, runs in results.items():
        values = [figure(r) for r in runs]
        rows.append((case, statistics.median(values), min(values), max(values)))
    return plots.bars(title, sorted(rows, key=lambda row: -row[1]), unit)


def relay(results: Results, name: str = "relay") -> Tuple[str, Plots]:
    """The same server with another number of visitors is a case of its own, "SERVER, …", and compared with the floor's of that number. The plots show the first."""
    rows = []
    for case, runs in sorted(results.items(), key=lambda item: server_of(item[0]) != item[0]):
        server = server_of(case)
        floor = "floor" + case.removeprefix(server)
        rows.append(
            [
                server,
                f"{median(runs, 'pairs'):,.0f} × {median(runs, 'window'):.0f}",
                _servers[server].stored,
                cell(pick(runs, "acked_per_s")),
                ratio_to_floor(results, case, lambda r: r["acked_per_s"], floor),
                cell([reactor_us(r) for r in runs], 1),
                ratio_to_floor(results, case, reactor_us, floor),
                cell([main_us(r) for r in runs], 1),
                cell([server_us(r) for r in runs], 1),
                *_busy(runs),
                held_back_by(runs),
            ]
        )
    head = ["server", "visitors × unanswered", "stored before the ack", "messages/s", "× floor", "CPU µs/msg, reactor", "× floor", "CPU µs/msg, process", "with its stores", "core 0", "core 1", "generator", "others' cores", "held back by"]
    first = {case: runs for case, runs in results.items() if server_of(case) == case}
    drawn = {
        f"{name}-messages.svg": _bars(first, "Messages per second at saturation", "/s", lambda r: r["acked_per_s"]),
        f"{name}-cpu.svg": _bars(first, "CPU of the server process per message", "µs", main_us),
    }
    return table(head, rows), drawn


def bursts(results: Results) -> Tuple[str, Plots]:
    text, _ = relay(results)
    return text, {}


def latency(results: Results) -> Tuple[str, Plots]:
    rows, drawn = [], {}
    by_rate: Dict[str, List[Tuple[str, float, float]]] = {}
    for case, runs in results.items():
        asked, got = median(runs, "rate_asked"), median(runs, "acked_per_s")
        kept = got > 0.98 * asked
        valid = all(pick(runs, "valid"))
        remark = "" if kept and valid else "cannot keep up" if not kept else f"invalid: generator late, {median(runs, 'schedule_lag_us', 'p99'):,.0f} µs at p99"
        full = held_back_by(runs)
        quantiles = [cell(pick(runs, kind, q)) for kind in ("ack_us", "delivery_us") for q in ("p50", "p99", "p999")]
        rows.append([f"{asked:,.0f}", server_of(case), f"{got:,.0f}", *quantiles, cell([main_us(r) for r in runs], 1), f"{median(runs, 'schedule_lag_us', 'p99'):,.0f}", *_busy(runs), full, remark])
        if kept:
            by_rate.setdefault(f"{asked:.0f}", []).append((server_of(case), median(runs, "delivery_us", "p50"), median(runs, "delivery_us", "p99")))
    for rate, spans in by_rate.items():
        drawn[f"latency-{rate}.svg"] = plots.spans(f"Delivery at {int(rate):,} messages/s, p50 to p99", spans, "µs")
    head = ["rate", "server", "messages/s", "ack p50 µs", "p99", "p99.9", "delivery p50 µs", "p99", "p99.9", "CPU µs/msg, process", "schedule lag p99 µs", "core 0", "core 1", "generator", "others' cores", "full", ""]
    return table(head, rows), drawn


def shares(results: Results) -> Tuple[str, Plots]:
    rows = []
    for case, runs in results.items():
        quantiles = [cell(pick(runs, kind, q)) for kind in ("ack_us", "delivery_us") for q in ("p50", "p99")]
        cpu = [cell([reactor_us(r) for r in runs], 1), cell([main_us(r) for r in runs], 1), *(cell([store_us(r, name) for r in runs], 1) for name in ("redis", "postgres"))]
        rows.append([case, cell(pick(runs, "acked_per_s")), *quantiles, *cpu, *_busy(runs), held_back_by(runs), "yes" if all(pick(runs, "valid")) else "no"])
    head = ["store", "messages/s", "ack p50 µs", "p99", "delivery p50 µs", "p99", "CPU µs/msg, reactor", "daemon", "Redis", "PostgreSQL", "core 0", "core 1", "generator", "others' cores", "full", "valid"]
    return table(head, rows), {}


def archive(results: Results) -> Tuple[str, Plots]:
    drained, pages = [], []
    for runs in results.values():
        for number, flush in enumerate(runs[0]["flush"]):
            stored = number * flush["items"]
            drained.append([f"{flush['items']:,}", f"{stored:,}", f"{flush['seconds']:.0f}", f"{flush['rows_per_s']:,.0f}", f"{flush['own_cpu_us_per_row']:.1f}", f"{flush['transactions']:,}"])
        page = runs[0]["pages"]
        pages.append([f"{runs[0]['stored']:,}", f"{page['count']:,}", *(f"{page[q]:.2f}" for q in ("p50_ms", "p95_ms", "p99_ms"))])
    text = table(["waiting in Redis", "in PostgreSQL before", "drained in s", "messages/s", "flusher CPU µs each", "transactions"], drained)
    return text + "\n" + table(["messages in PostgreSQL", "pages of 50 read at random places", "p50 ms", "p95", "p99"], pages), {}


def sustained(results: Results) -> Tuple[str, Plots]:
    rows = []
    for case, runs in results.items():
        samples = [s for s in runs[0]["samples"]] or [{"flush_lag_s": 0, "rss_mb": 0, "backlog_items": 0, "s": 0}]
        half = samples[len(samples) // 2 :]
        rows.append(
            [
                case,
                cell(pick(runs, "acked_per_s")),
                f"{max(s['flush_lag_s'] for s in samples):.2f}",
                f"{max(s['backlog_items'] for s in samples):,.0f}",
                f"{half[0]['rss_mb']:.0f} → {half[-1]['rss_mb']:.0f}",
                cell(pick(runs, "ack_us", "p50")),
                cell(pick(runs, "ack_us", "p99")),
                cell([reactor_us(r) for r in runs], 1),
                cell([server_us(r) for r in runs], 1),
                *_busy(runs),
                held_back_by(runs),
                "yes" if all(pick(runs, "valid")) else "no",
            ]
        )
    head = ["load", "messages/s", "flush lag max s", "backlog max", "memory MB, second half", "ack p50 µs", "p99", "CPU µs/msg, reactor", "with its stores", "core 0", "core 1", "generator", "others' cores", "full", "valid"]
    lag = {case: [(s["s"], s["flush_lag_s"]) for s in runs[0]["samples"]] for case, runs in results.items()}
    return table(head, rows), {"sustained-lag.svg": plots.lines("Age of the oldest message not in PostgreSQL", lag, "s", mark=5)}


def per_delivery(results: Results, name: str, title: str) -> Tuple[str, Plots]:
    rows = []
    for case, runs in results.items():
        rows.append(
            [
                case,
                cell(pick(runs, "delivered_per_s")),
                cell([reactor_us(r) for r in runs], 2),
                ratio_to_floor(results, case, reactor_us),
                cell([server_us(r) for r in runs], 2),
                cell(pick(runs, "delivery_us", "p50")),
                cell(pick(runs, "delivery_us", "p99")),
                *_busy(runs),
                held_back_by(runs),
            ]
        )
    head = ["server", "deliveries/s", "CPU µs each, reactor", "× floor", "with its stores", "delivery p50 µs", "p99", "core 0", "core 1", "generator", "others' cores", "full"]
    return table(head, rows), {f"{name}-cpu.svg": _bars(results, title, "µs", reactor_us)}


def broadcast(results: Results) -> Tuple[str, Plots]:
    return per_delivery(results, "broadcast", "CPU per delivery, one message to 500 receivers")


def echo(results: Results) -> Tuple[str, Plots]:
    return per_delivery(results, "echo", "CPU per message, back to its sender")


def questions(results: Results) -> Tuple[str, Plots]:
    return per_delivery(results, "questions", "CPU per question, answered by the server itself")


def sessions(results: Results) -> Tuple[str, Plots]:
    rows = []
    for case, runs in results.items():
        rows.append(
            [
                case,
                f"{median(runs, 'sessions'):,.0f}",
                cell(pick(runs, "rss_bytes_per_session")),
                cell(pick(runs, "kernel_bytes_per_pair")),
                cell(pick(runs, "handshakes_per_s")),
                cell([main_us(r) for r in runs], 1),
                *_busy(runs),
                held_back_by(runs),
            ]
        )
    head = ["server", "sessions", "memory B/session", "kernel B, both ends", "handshakes/s", "CPU µs/handshake", "core 0", "core 1", "generator", "others' cores", "held back by"]
    drawn = {
        "sessions-memory.svg": _bars(results, "Memory of the server process per idle session", "B", lambda r: max(0, r["rss_bytes_per_session"])),
        "handshakes.svg": _bars(results, "Handshakes per second on one core", "/s", lambda r: r["handshakes_per_s"]),
    }
    return table(head, rows), drawn


def conversations(results: Results) -> Tuple[str, Plots]:
    rows = []
    for case, runs in results.items():
        whole = [cell(pick(runs, "acked_per_s")), cell(pick(runs, "ack_us", "p50")), cell(pick(runs, "ack_us", "p99"))]
        rows.append([case, *whole, cell([reactor_us(r) for r in runs], 1), cell([server_us(r) for r in runs], 1), *_busy(runs), held_back_by(runs)])
    head = ["server", "conversations/s", "whole conversation p50 µs", "p99", "CPU µs each, reactor", "with its stores", "core 0", "core 1", "generator", "others' cores", "held back by"]
    return table(head, rows), {}


def reactors(results: Results) -> Tuple[str, Plots]:
    rows = []
    for case, runs in results.items():
        one = case.rsplit(",", 1)[0] + ", 1 reactor"
        rows.append([case, cell(pick(runs, "acked_per_s")), cell([reactor_us(r) for r in runs], 1), ratio_to_floor(results, case, reactor_us, one), cell([main_us(r) for r in runs], 1), cell(pick(runs, "ack_us", "p99")), "yes" if all(pick(runs, "valid")) else "no"])
    return table(["case", "messages/s", "CPU µs/msg, reactors", "× one reactor", "process", "ack p99 µs", "valid"], rows), {}


def storm(results: Results) -> Tuple[str, Plots]:
    rows = []
    for case, runs in results.items():
        quantiles = [cell(pick(runs, when, "ack_us", q)) for q in ("p50", "p99", "p999") for when in ("before", "during")]
        rows.append([case, f"{median(runs, 'sessions'):,.0f}", cell(pick(runs, "storm_seconds"), 2), *quantiles])
    head = ["server", "sessions", "all back after s", "ack p50 µs of the others before", "during", "p99 before", "during", "p99.9 before", "during"]
    return table(head, rows), {}


def neighbours(results: Results) -> Tuple[str, Plots]:
    rows = []
    for case, runs in results.items():
        run = runs[-1]
        legs = [cell(run[key]) for key in ("calm_us", "disturbed_us", "calm_p99_us", "disturbed_p99_us")]
        rows.append([case, str(len(run["calm_us"])), *legs, f"{run['rss_mb']:,.0f}", f"{run['refused_per_s']:,.0f}" if "refused_per_s" in run else "–", "yes" if run["valid"] else "no"])
    return table(["server", "pairs of legs", "p50 µs of the others, calm", "disturbed", "p99 µs, calm", "disturbed", "memory MB, highest", "refused/s", "valid"], rows), {}


def many(results: Results) -> Tuple[str, Plots]:
    rows, curves = [], {"memory of the daemons": [], "kernel, both ends": []}
    for runs in results.values():
        for plateau in runs[-1]["plateaus"]:
            busy = plateau["cores_busy"]
            rows.append(
                [
                    f"{plateau['sessions']:,}",
                    f"{plateau['rss_mb']:,.0f}",
                    f"{plateau['kernel_mb']:,.0f}",
                    f"{busy['0']:.0%}",
                    f"{busy['1']:.0%}",
                    f"{plateau['ack_us']['p50']:,.0f}",
                    f"{plateau['ack_us']['p99']:,.0f}",
                ]
            )
            curves["memory of the daemons"].append((plateau["sessions"] / 1000, plateau["rss_mb"]))
            curves["kernel, both ends"].append((plateau["sessions"] / 1000, plateau["kernel_mb"]))
    head = ["sessions, each with heartbeats", "memory of the daemons MB", "kernel MB, both ends", "core 0 (daemons)", "core 1 (clients)", "ack p50 µs of a chat at 1,000/s", "p99"]
    return table(head, rows), {"many-memory.svg": plots.lines("Memory by thousands of sessions", curves, "MB", over="k")}


def micro(results: Results) -> Tuple[str, Plots]:
    rows = []
    for runs in results.values():
        for row in runs[-1]["rows"]:
            figure, low, high = row["ns"], row["ns_low"], row["ns_high"]
            unit, scale, digits = ("ns", 1, 0) if figure < 1000 else ("µs", 1e3, 2) if figure < 1e6 else ("ms", 1e6, 1)
            rows.append([f"`{row['name']}`", f"{cell([figure / scale, low / scale, high / scale], digits)} {unit}", row["label"]])
    return table(["step", "CPU time", ""], rows), {}


def start(results: Results) -> Tuple[str, Plots]:
    rows = [[case, cell(pick(runs, "ready_ms")), cell(pick(runs, "chat_ms"))] for case, runs in results.items()]
    return table(["server", "exec to ready ms", "exec to the first chat answered ms, tenant and accounts made on the way"], rows), {}


def draw(name: str, results: Results) -> Tuple[str, Plots]:
    functions: Dict[str, Any] = {
        "relay": relay,
        "bursts": bursts,
        "latency": latency,
        "shares": shares,
        "archive": archive,
        "sustained": sustained,
        "broadcast": broadcast,
        "echo": echo,
        "questions": questions,
        "sessions": sessions,
        "conversations": conversations,
        "reactors": reactors,
        "storm": storm,
        "flood": neighbours,
        "stalled": neighbours,
        "many": many,
        "micro": micro,
        "start": start,
    }
    return functions[name](results)
