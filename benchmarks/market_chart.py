"""The chart of a simulated market: what ran, below what an all-knowing scheduler would have run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.chart import STYLE, text

_WIDTH, _HEIGHT = 744, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 732, 48, 200
_OURS, _MOST = "#2f81f7", "#8c959f"
_HOURS = 4  # between the marks of the time


def svg(figures: Mapping[str, Any]) -> str:
    """VMs over hours: those that ran, and those that there was room for."""
    delivered, possible, demand = figures["delivered"], figures["possible"], figures["demand"]
    top = demand * 1.1
    title = f"VMs that ran, of those that could: {figures['share']:.1%} of the hours"
    marks = [text(0, 16, title, "title")]
    for tick in range(0, demand + 1, demand // 4):
        kind = "grid" if tick else "axis"
        y = _y(tick, top)
        marks.append(f'<line class="{kind}" x1="{_LEFT}" x2="{_RIGHT}" y1="{y}" y2="{y}"/>')
        marks.append(text(_LEFT - 6, y + 4, str(tick), anchor="end"))
    hours = len(delivered) / 30
    for hour in range(0, int(hours) + 1, _HOURS):
        x = _LEFT + hour / hours * (_RIGHT - _LEFT)
        marks.append(text(round(x, 1), _BOTTOM + 17, f"{hour} h", anchor="middle"))
    marks += _line(possible, top, _MOST, 'stroke-dasharray="5 3"') + _line(delivered, top, _OURS)
    marks += _legend(0, _OURS, "tfce") + _legend(90, _MOST, "an all-knowing scheduler, with the same cycles")
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>'
    return "\n".join([head, f"<title>{title}</title>\n<style>{STYLE}</style>", *marks, "</svg>\n"])


def _y(value: float, top: float) -> float:
    return round(_BOTTOM - value / top * (_BOTTOM - _TOP), 1)


def _line(values: Sequence[int], top: float, color: str, more: str = "") -> list[str]:
    step = (_RIGHT - _LEFT) / max(1, len(values) - 1)
    points = " ".join(f"{_LEFT + number * step:.1f},{_y(value, top)}" for number, value in enumerate(values))
    return [f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.8" {more}/>']


def _legend(left: float, color: str, word: str) -> list[str]:
    x = _LEFT + left
    line = f'<line x1="{x}" x2="{x + 18}" y1="34" y2="34" stroke="{color}" stroke-width="2.5"/>'
    return [line, text(x + 24, 38, word)]
