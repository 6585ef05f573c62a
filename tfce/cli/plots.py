"""How a report's figures are drawn: where each bar and word of a figure stands, in units of an SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tfce.model.figures import Figure, shown

WIDTH = 400  # as wide as a phone, so that words keep their size there
_LEFT, _TOP, _HIGH, _FOOT = 34, 8, 150, 22
_ROW, _BAR = 34, 14
_TIME = 66  # as wide as a time is written
_LABELS = 4  # times that are written below an axis
_LONGEST = 56  # characters of a name; the table has all of it


@dataclass(frozen=True)
class Bar:
    """A rectangle of one series (0, 1, ...)."""

    x: float
    y: float
    width: float
    height: float
    series: int


@dataclass(frozen=True)
class Label:
    """Text that begins, ends or has its middle (``anchor``) at a place."""

    x: float
    y: float
    text: str
    anchor: str = "start"


@dataclass(frozen=True)
class Plot:
    """A drawing of ``height`` units. ``rules``: heights at which a line goes from ``left`` to the right."""

    height: float
    bars: tuple[Bar, ...]
    words: tuple[Label, ...]
    rules: tuple[float, ...] = ()
    left: int = _LEFT


def plot(figure: Figure) -> Plot:
    """A figure as columns over time, or as a bar for each row."""
    return _columns(figure) if figure.over_time else _rows(figure)


def _columns(figure: Figure) -> Plot:
    top, wide = _round(figure.most), (WIDTH - _LEFT) / len(figure.rows)
    bars = tuple(bar for place, row in enumerate(figure.values) for bar in _column(place, row, wide, _HIGH / top))
    marks = [(_TOP + _HIGH * (1 - part), shown(top * part)) for part in (0, 0.5, 1)]
    words = [Label(_LEFT - 4, round(y + 4, 1), text, "end") for y, text in marks]
    every = math.ceil(len(figure.rows) / _LABELS)
    words += [
        Label(round(_LEFT + place * wide, 1), _TOP + _HIGH + 15, figure.rows[place])
        for place in range(0, len(figure.rows), every)
        if place * wide + _TIME <= WIDTH - _LEFT
    ]
    return Plot(_TOP + _HIGH + _FOOT, bars, tuple(words), tuple(y for y, _ in marks))


def _column(place: int, row: tuple[float, ...], wide: float, scale: float) -> Iterator[Bar]:
    y = float(_TOP + _HIGH)
    for series, value in enumerate(row):
        if value:
            y -= value * scale
            yield Bar(
                round(_LEFT + place * wide + 1, 1),
                round(y, 1),
                round(wide - 2, 1),
                round(value * scale, 1),
                series,
            )


def _rows(figure: Figure) -> Plot:
    scale = (WIDTH - 60) / (figure.most or 1)
    bars: list[Bar] = []
    words: list[Label] = []
    for place, (name, row) in enumerate(zip(figure.rows, figure.values, strict=True)):
        x, y = 0.0, place * _ROW + 18
        words.append(Label(0, y - 5, name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"))
        for series, value in enumerate(row):
            if value:
                bars.append(Bar(round(x, 1), y, round(value * scale, 1), _BAR, series))
                x += value * scale
        words.append(Label(round(x + 5, 1), y + 11, shown(sum(row))))
    return Plot(len(figure.rows) * _ROW + 4, tuple(bars), tuple(words))


def _round(most: float) -> float:
    """The end of an axis: an even number, or a round one, that is not below."""
    if most <= 2:
        return 2
    unit = 10.0 ** math.floor(math.log10(most))
    return next((step * unit for step in (1, 2, 4, 6, 8) if step * unit >= most), 10 * unit)
