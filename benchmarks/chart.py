"""The chart of cost against running pilots: an SVG that reads well on light and on dark pages, by itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from benchmarks.results import Row

_OTHER = "#8c959f"
SERIES = {"bulk": "#2f81f7", "native": "#db6d28"}  # both stand out from white and from GitHub's dark grey
WHERE = {"openstack": "OpenStack", "moto": "EC2 (moto)", "localstack": "EC2 (LocalStack)", "small": "a fast nova"}
_PANEL, _HEIGHT, _GAP = 360, 290, 24  # a panel's width, the picture's height, between panels
_LEFT, _TOP, _BOTTOM = 44, 60, 44  # from a panel's edge to its axes
_INSET = 44  # from the axes' ends to the outer points
STYLE = """
  text { font: 12px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a; }
  .label { font-size: 11px; } .title { font-weight: 600; font-size: 14px; fill: #24292f; }
  .axis { stroke: #8c959f; } .grid { stroke: #8c959f; stroke-opacity: .25; }
  @media (prefers-color-scheme: dark) { text { fill: #9198a1; } .title { fill: #e6edf3; } }
"""


def shown(rows: Iterable[Row]) -> list[Row]:
    """The rows that a chart is made of: submissions of 10 without added latency while so many others ran."""
    return [
        row
        for row in rows
        if (row.what, row.count, row.latency) == ("submit", 10, 0)
        and row.running
        and row.who in SERIES
        and row.cloud != "small"
    ]


def svg(rows: Iterable[Row]) -> str:
    """A panel for each cloud: seconds over running pilots (logarithmic), requests beside the points; and one
    of the element beside CloudCE."""
    rows = list(rows)
    mine, pairs = shown(rows), beside(rows)
    clouds = [name for name in WHERE if any(row.cloud == name for row in mine)]
    if not clouds:
        raise SystemExit("no row says what a submission of 10 costs while others run")
    count = len(clouds) + bool(pairs)
    width = count * _PANEL + (count - 1) * _GAP
    top = _nice(max(row.seconds for row in mine))
    panels = [
        f'<g transform="translate({number * (_PANEL + _GAP)} 0)">\n'
        + _panel(WHERE[name], [row for row in mine if row.cloud == name], top)
        + "\n</g>"
        for number, name in enumerate(clouds)
    ]
    if pairs:
        panels.append(f'<g transform="translate({len(clouds) * (_PANEL + _GAP)} 0)">\n{_bars(pairs)}\n</g>')
    title = "Seconds of a submission of 10 pilots, against those that run already"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" width="{width}" '
            f'height="{_HEIGHT}" role="img">',
            f"<title>{title}</title>\n<style>{STYLE}</style>",
            *panels,
            "</svg>\n",
        ]
    )


def beside(rows: Iterable[Row]) -> list[tuple[Row, Row]]:
    """What the element did and CloudCE too, on OpenStack with half a second of latency: both rows."""
    mine = [row for row in rows if (row.cloud, row.latency, row.running) == ("openstack", 0.5, None)]
    theirs = {row.task: row for row in mine if row.who == "cloudce"}
    return [(row, theirs[row.task]) for row in mine if row.who == "element" and row.task in theirs]


def _bars(pairs: Sequence[tuple[Row, Row]]) -> str:
    """Two bars for each task, as long as it took."""
    marks = [text(0, 16, "OpenStack, +0.5 s: tfce's element, CloudCE", "title")]
    marks += [*_legend(_LEFT, "element", SERIES["bulk"]), *_legend(_LEFT + 110, "CloudCE", _OTHER)]
    longest = max(row.seconds for pair in pairs for row in pair)
    step = min((_HEIGHT - _TOP) / len(pairs), 52)
    for number, pair in enumerate(pairs):
        y = _TOP + number * step
        marks.append(text(0, y + 20, pair[0].title))
        for row, color, top in zip(pair, (SERIES["bulk"], _OTHER), (y + 4, y + 19), strict=True):
            width = max(row.seconds / longest * (_PANEL - 130), 1)
            marks.append(f'<rect x="70" y="{top:g}" width="{width:.1f}" height="12" fill="{color}"/>')
            marks.append(text(76 + width, top + 10, f"{row.seconds:.1f} s", "label"))
    return "\n".join(marks)


def _panel(name: str, rows: Sequence[Row], top: float) -> str:
    numbers = sorted({row.running or 1 for row in rows})
    low, high = math.log10(numbers[0]), math.log10(numbers[-1])
    right, bottom = _PANEL - 12, _HEIGHT - _BOTTOM

    def x(running: int) -> float:
        share = (math.log10(running) - low) / (high - low) if high > low else 0.5
        return round(_LEFT + _INSET + share * (right - _LEFT - 2 * _INSET), 1)

    def y(seconds: float) -> float:
        return round(bottom - seconds / top * (bottom - _TOP), 1)

    marks = [text(0, 16, f"{name}: seconds to submit 10", "title")]
    for tick in (top * part / 4 for part in range(5)):
        kind = "grid" if tick else "axis"
        marks.append(f'<line class="{kind}" x1="{_LEFT}" x2="{right}" y1="{y(tick)}" y2="{y(tick)}"/>')
        marks.append(text(_LEFT - 6, y(tick) + 4, f"{tick:g} s", anchor="end"))
    marks += [text(x(number), bottom + 17, str(number), anchor="middle") for number in numbers]
    marks.append(text((_LEFT + right) / 2, bottom + 35, "pilots that run already", anchor="middle"))
    used: set[tuple[int, int]] = set()
    for position, (who, color) in enumerate(SERIES.items()):
        line = sorted((row for row in rows if row.who == who), key=lambda row: row.running or 1)
        if line:
            marks += _legend(_LEFT + position * 110, who, color)
            marks += _line([(x(row.running or 1), y(row.seconds), row.requests) for row in line], color, used)
    return "\n".join(marks)


def _legend(left: float, who: str, color: str) -> list[str]:
    return [
        f'<line x1="{left}" x2="{left + 18}" y1="34" y2="34" stroke="{color}" stroke-width="2.5"/>',
        text(left + 24, 38, who),
    ]


def _line(points: Sequence[tuple[float, float, int]], color: str, used: set[tuple[int, int]]) -> list[str]:
    path = " ".join(f"{x},{y}" for x, y, _ in points)
    marks = [f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.5"/>']
    for number, (x, y, requests) in enumerate(points):
        marks.append(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{color}"/>')
        anchor, left = ("middle", x) if number == 0 else ("end", x + 12)  # a rising line leaves room on the left
        row = round(y / 14)
        while (round(x), row) in used:
            row -= 1
        used.add((round(x), row))
        marks.append(
            text(
                left,
                y - 10 - 14 * (round(y / 14) - row),
                f"{requests} request{'s' * (requests != 1)}",
                "label",
                anchor,
            )
        )
    return marks


def text(x: float, y: float, word: str, kind: str = "", anchor: str = "start") -> str:
    """A text of a chart."""
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(word)}</text>'


def _nice(largest: float) -> float:
    """A round end of the axis, divisible by four without odd fractions."""
    step: float = 10 ** math.floor(math.log10(largest))
    return next(step * factor for factor in (1, 2, 4, 6, 8, 10, 20) if step * factor >= largest * 1.08)
