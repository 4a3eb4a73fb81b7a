"""Plots as SVG, written by hand: bars and lines, readable on light and dark pages."""
import html
import math
from typing import Dict, List, Optional, Sequence, Tuple

INK, PALE, OURS, THEIRS, FLOOR = "#6b7280", "#d1d5db", "#2563eb", "#9ca3af", "#059669"
LINES = ["#2563eb", "#d97706", "#059669", "#dc2626"]
WIDTH, LEFT, RIGHT = 760, 190, 90


def _svg(height: float, body: List[str], title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" font-family="system-ui, sans-serif" font-size="13" role="img">\n'
        f"<title>{html.escape(title)}</title>\n"
        f'<text x="10" y="22" font-size="15" font-weight="600" fill="{INK}">{html.escape(title)}</text>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _colour(name: str) -> str:
    return OURS if name.startswith("parley") else FLOOR if name == "floor" else THEIRS


def short(value: float) -> str:
    if value >= 10000:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def bars(title: str, rows: Sequence[Tuple[str, float, float, float]], unit: str) -> str:
    """A bar for each (name, median, lowest, highest), with a whisker for the spread."""
    top = max((high for _, _, _, high in rows), default=0) or 1
    scale = (WIDTH - LEFT - RIGHT) / top
    body = []
    for i, (name, middle, low, high) in enumerate(rows):
        y = 40 + i * 26
        body.append(f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end" fill="{INK}">{html.escape(name)}</text>')
        body.append(f'<rect x="{LEFT}" y="{y + 2}" width="{middle * scale:.1f}" height="17" rx="2" fill="{_colour(name)}"/>')
        body.append(f'<path d="M{LEFT + low * scale:.1f} {y + 10.5}H{LEFT + high * scale:.1f}" stroke="{INK}" stroke-width="2"/>')
        body.append(f'<text x="{LEFT + high * scale + 6:.1f}" y="{y + 15}" fill="{INK}">{short(middle)} {html.escape(unit)}</text>')
    return _svg(50 + len(rows) * 26, body, title)


def spans(title: str, rows: Sequence[Tuple[str, float, float]], unit: str) -> str:
    """From p50 to p99 of each (name, p50, p99), on a logarithmic axis."""
    low = min((p50 for _, p50, _ in rows if p50 > 0), default=1) / 1.5
    high = max((p99 for _, _, p99 in rows), default=10) * 1.5
    scale = (WIDTH - LEFT - RIGHT) / math.log(high / low)

    def at(value: float) -> float:
        return LEFT + math.log(max(value, low) / low) * scale

    body = []
    height = 60 + len(rows) * 26
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        if low <= 10**power <= high:
            body.append(f'<path d="M{at(10**power):.1f} 36V{height - 24}" stroke="{PALE}"/>')
            body.append(f'<text x="{at(10**power):.1f}" y="{height - 8}" text-anchor="middle" fill="{INK}">{short(10**power)} {html.escape(unit)}</text>')
    for i, (name, p50, p99) in enumerate(rows):
        y = 40 + i * 26
        body.append(f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end" fill="{INK}">{html.escape(name)}</text>')
        body.append(f'<path d="M{at(p50):.1f} {y + 10}H{at(p99):.1f}" stroke="{_colour(name)}" stroke-width="4" stroke-linecap="round"/>')
        body.append(f'<circle cx="{at(p50):.1f}" cy="{y + 10}" r="6" fill="{_colour(name)}"/>')
        body.append(f'<text x="{at(p99) + 8:.1f}" y="{y + 14}" fill="{INK}">{short(p50)} – {short(p99)}</text>')
    return _svg(height, body, title)


def lines(title: str, series: Dict[str, Sequence[Tuple[float, float]]], unit: str, over: str = "s", mark: Optional[float] = None) -> str:
    """Lines of (time, value); `mark` is a level drawn across."""
    points = [point for values in series.values() for point in values]
    right = max((x for x, _ in points), default=1) or 1
    top = max([y for _, y in points] + [mark or 0]) * 1.1 or 1
    left, bottom, height, wide = 70, 250, 310, WIDTH - 70 - 20

    def place(x: float, y: float) -> str:
        return f"{left + x / right * wide:.1f} {bottom - y / top * (bottom - 50):.1f}"

    body = [f'<path d="M{left} 50V{bottom}H{left + wide}" fill="none" stroke="{INK}"/>']
    for part in (0.5, 1):
        body.append(f'<text x="{left - 6}" y="{bottom - part / 1.1 * (bottom - 50) + 4:.1f}" text-anchor="end" fill="{INK}">{short(top / 1.1 * part)} {html.escape(unit)}</text>')
    body.append(f'<text x="{left + wide}" y="{bottom + 18}" text-anchor="end" fill="{INK}">{short(right)} {html.escape(over)}</text>')
    if mark is not None:
        body.append(f'<path d="M{place(0, mark)}L{place(right, mark)}" stroke="{INK}" stroke-dasharray="5 4"/>')
    for i, (name, values) in enumerate(series.items()):
        colour = LINES[i % len(LINES)]
        if values:
            body.append(f'<path d="M{"L".join(place(x, y) for x, y in values)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body.append(f'<rect x="{left + i * 230}" y="{height - 26}" width="12" height="12" fill="{colour}"/>')
        body.append(f'<text x="{left + i * 230 + 18}" y="{height - 15}" fill="{INK}">{html.escape(name)}</text>')
    return _svg(height, body, title)
