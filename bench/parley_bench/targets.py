"""The project's own targets, judged from the results of one run. Nothing is judged that was not measured."""
import statistics
from typing import Any, Callable, Dict, List, Optional, Tuple

from .plan import Results
from .scenarios import median, pick
from .tables import held_back_by, others_busy, reactor_us, table

Judged = Tuple[str, str, str, Optional[bool]]  # what, target, measured, met; None: cannot be said


def _figure(results: Results, case: str, figure: Callable[[Dict[str, Any]], float]) -> Optional[float]:
    return statistics.median(figure(r) for r in results[case]) if case in results else None


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _at_least(what: str, ours: Optional[float], theirs: Optional[float], factor: float, unit: str = "×") -> List[Judged]:
    if not ours or not theirs:
        return []
    return [(what, f"≥ {_number(factor)} {unit}", f"{_number(ours / theirs)} {unit}", ours / theirs >= factor)]


def _at_most(what: str, ours: Optional[float], theirs: Optional[float], factor: float, unit: str = "×") -> List[Judged]:
    if not ours or not theirs:
        return []
    return [(what, f"≤ {_number(factor)} {unit}", f"{_number(ours / theirs)} {unit}", ours / theirs <= factor)]


def _relay(all_results: Dict[str, Results]) -> List[Judged]:
    relay = all_results.get("relay", {})

    def rate(case: str) -> Optional[float]:
        return _figure(relay, case, lambda r: r["acked_per_s"])

    ours = rate("parley-everysec")
    judged: List[Judged] = []
    for peer, factor in (("socket.io", 3), ("ws", 2), ("nats", 1), ("centrifugo", 3), ("ejabberd", 5), ("floor", 0.65)):
        judged += _at_least(f"1 · messages/s, `everysec`, against {peer}", ours, rate(peer), factor)
    judged += _at_most("2 · reactor CPU per message against the floor", _figure(relay, "parley-everysec", reactor_us), _figure(relay, "floor", reactor_us), 1.5)
    judged += _at_least("3 · `always` against `everysec`", rate("parley-always"), ours, 0.85)
    judged += _at_least("5 · embedded against `everysec`", rate("parley-embedded"), ours, 0.8)
    return judged


def _sustained(all_results: Dict[str, Results]) -> List[Judged]:
    ours = _figure(all_results.get("relay", {}), "parley-everysec", lambda r: r["acked_per_s"])
    kept = 0.0
    for case, runs in all_results.get("sustained", {}).items():
        if "search off" in case and all(pick(runs, "valid")) and max((s["flush_lag_s"] for s in runs[0]["samples"]), default=0) < 5:
            kept = max(kept, median(runs, "acked_per_s"))
    return _at_least("4 · sustained with less than 5 s of flush lag, against saturation", kept, ours, 0.5)


def _latency(all_results: Dict[str, Results], fsync: float) -> List[Judged]:
    results = all_results.get("latency", {})
    judged: List[Judged] = []
    quiet = _figure(results, "parley-embedded at 1000/s", lambda r: r["ack_us"]["p50"])
    judged += _at_most("5 · ack p50 at 1,000/s, embedded, against fdatasync", quiet, fsync, 4)
    rates = sorted({median(runs, "rate_asked") for runs in results.values()})
    if not rates:
        return judged
    suffix = f" at {rates[-1]:.0f}/s"

    def delivery(server: str, q: str) -> Optional[float]:
        kept = server + suffix in results and median(results[server + suffix], "acked_per_s") > 0.98 * rates[-1]
        return _figure(results, server + suffix, lambda r: r["delivery_us"][q]) if kept else None

    ours_p50, ours_p99, floor_p99 = delivery("parley-everysec", "p50"), delivery("parley-everysec", "p99"), delivery("floor", "p99")
    if ours_p50 and ours_p99:
        judged.append((f"6 · delivery p50{suffix}", "≤ 600 µs", f"{ours_p50:,.0f} µs", ours_p50 <= 600))
        if floor_p99:
            limit = max(20_000, 4 * floor_p99)
            judged.append((f"6 · delivery p99{suffix}", f"≤ {limit:,.0f} µs", f"{ours_p99:,.0f} µs", ours_p99 <= limit))
        for peer in ("socket.io", "ws", "nats", "centrifugo", "ejabberd"):
            theirs = delivery(peer, "p50")
            if theirs:
                judged.append((f"6 · delivery p50{suffix}, lower than of {peer}", f"< {theirs:,.0f} µs", f"{ours_p50:,.0f} µs", ours_p50 < theirs))
            elif peer + suffix in results:
                judged.append((f"6 · delivery p50{suffix}, lower than of {peer}", f"{peer} cannot keep up", f"{ours_p50:,.0f} µs", True))
        for peer in ("centrifugo", "ejabberd"):
            theirs = delivery(peer, "p99")
            if theirs:
                judged.append((f"6 · delivery p99{suffix}, lower than of {peer}, which stores too", f"< {theirs:,.0f} µs", f"{ours_p99:,.0f} µs", ours_p99 < theirs))
    return judged


def _others(all_results: Dict[str, Results]) -> List[Judged]:
    judged: List[Judged] = []
    for name, factor in (("broadcast", 1.05), ("questions", 1.3), ("echo", 1.3)):
        results = all_results.get(name, {})
        for case in ("parley-everysec", "parley-embedded"):
            judged += _at_most(f"7 · CPU per delivery, {name}, {case} against the floor", _figure(results, case, reactor_us), _figure(results, "floor", reactor_us), factor)
    sessions = all_results.get("sessions", {})

    def memory(case: str) -> Optional[float]:
        return _figure(sessions, case, lambda r: r["rss_bytes_per_session"])

    def handshakes(case: str) -> Optional[float]:
        return _figure(sessions, case, lambda r: r["handshakes_per_s"])

    ours = memory("parley-embedded")
    judged += _at_most("8 · memory of an idle visitor session", ours, 1024, 1, "KiB")
    judged += _at_most("8 · the same against socket.io", ours, memory("socket.io"), 1 / 15)
    judged += _at_most("8 · the same against Centrifugo", ours, memory("centrifugo"), 1 / 20)
    judged += _at_most("8 · memory of an agent session with a list", memory("agents with a list, parley-embedded"), 1024, 16, "KiB")
    judged += _at_least("9 · handshakes/s on one core", handshakes("parley-embedded"), 1, 15000, "/s")
    judged += _at_least("9 · the same against socket.io", handshakes("parley-embedded"), handshakes("socket.io"), 3)
    for case in ("parley-embedded", "parley-everysec"):
        judged += _at_least(f"11 · new conversations per second, {case}", _figure(all_results.get("conversations", {}), case, lambda r: r["acked_per_s"]), 1, 5000, "/s")
    for case, runs in all_results.get("storm", {}).items():
        judged += _at_most(f"9 · {median(runs, 'sessions'):,.0f} sessions come back, {case}", median(runs, "storm_seconds"), 1, 2, "s")
    for runs in all_results.get("many", {}).values():
        judged += _at_least("10 · live sessions with heartbeats, none lost", runs[-1]["plateaus"][-1]["sessions"], 1, 500_000, "")
    for number, name, whose in ((14, "flood", "a neighbour's acks while a tenant floods"), (16, "stalled", "a broadcast while 1 % do not read")):
        for case, runs in all_results.get(name, {}).items():
            calm, disturbed = (statistics.median(runs[-1][key]) for key in ("calm_us", "disturbed_us"))
            met = disturbed < 1.1 * calm or disturbed - calm < 1000
            judged.append((f"{number} · median of {whose}, {case}", "< +10 % or < +1 ms", f"{calm:,.0f} → {disturbed:,.0f} µs", met))
    reactors = all_results.get("reactors", {})
    for case, factor in (("sixteen small tenants", 1.15), ("one wide tenant", 1.3)):
        one, two = (_figure(reactors, f"{case}, {n}", reactor_us) for n in ("1 reactor", "2 reactors"))
        judged += _at_most(f"12 · CPU per message with two reactors against one, {case}", two, one, factor)
    for runs in all_results.get("micro", {}).values():
        steps = {row["name"]: row["ns"] for row in runs[-1]["rows"]}
        judged += _at_most("13 · filter, 200 characters, 100,000 words, 1,024 different texts", steps.get("filter/100k/clean"), 1000, 2.5, "µs")
    for case, runs in all_results.get("start", {}).items():
        judged += _at_most(f"15 · exec to the first chat, {case}", median(runs, "chat_ms"), 1, 800, "ms")
    return judged


def disturbed(all_results: Dict[str, Results]) -> str:
    """A sentence about scenarios in which other processes of the machine took more than a fifth of a core; empty if none."""
    shares = {}
    for name, results in all_results.items():
        shares[name] = max((statistics.median(others_busy(r) for r in runs) for runs in results.values() if "cores_busy" in runs[0]), default=0)
    named = [f"{name} ({share:.1f})" for name, share in shares.items() if share > 0.2]
    return "**Other processes took part of the machine while these were measured** (cores, in the worst case): " + ", ".join(named) + ". Take their figures with care.\n" if named else ""


def held_back(all_results: Dict[str, Results]) -> str:
    """A sentence about saturated runs in which core 1 was a limit; empty if there are none. What other processes did, disturbed() says."""
    named = []
    for name in ("relay", "bursts", "echo", "conversations"):
        cases = [f"{case} ({what.strip('*')})" for case, runs in all_results.get(name, {}).items() if (what := held_back_by(runs)) in ("**generator**", "**core 1**", "**both cores**")]
        named += [f"{name}: {', '.join(cases)}"] if cases else []
    return "**Held back by core 1, by generator and stores, and not by the server alone**: " + "; ".join(named) + ". The server itself may be able to do more; a ratio to such a floor is an upper bound.\n" if named else ""


def judge(all_results: Dict[str, Results], fsync: float) -> List[Judged]:
    return [*_relay(all_results), *_sustained(all_results), *_latency(all_results, fsync), *_others(all_results)]


def as_table(judged: List[Judged]) -> str:
    return table(["what", "target", "measured", "met"], [[what, target, measured, {True: "yes", False: "**no**", None: "–"}[met]] for what, target, measured, met in judged])
