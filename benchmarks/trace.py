"""The picture of a real trace: `python -m benchmarks.trace [FILE]` draws docs/trace.svg.

Without a file, `tfce submit --trace` starts ten pilots, one request each, on an emulated EC2 (moto) that takes
`--latency` seconds to answer; the queue's first submission is past.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tests.rigs.localstack import Moto
from tests.rigs.proxy import Proxy
from tests.site import Site

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "trace.svg"
_COLORS = {"verb": "#8c959f", "phase": "#2f81f7", "process": "#db6d28", "request": "#2da44e", "pause": "#cf222e"}
_LEFT, _WIDTH, _ROW, _TOP, _GAP = 96, 860, 17, 52, 7  # of the bars, a bar's height with its gap, between threads
_LETTER = 5.7  # pixels, about
_LEAST = 0.5  # pixels below which a bar is left out
_STYLE = """
  text { font: 10px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a; }
  .title { font-weight: 600; font-size: 13px; fill: #24292f; } .in { fill: #ffffff; }
  .grid { stroke: #8c959f; stroke-opacity: .3; }
  @media (prefers-color-scheme: dark) { text { fill: #9198a1; } .title { fill: #e6edf3; } }
"""


@dataclass(frozen=True)
class Bar:
    """A span, and how many of its thread it is in."""

    name: str
    kind: str
    thread: int
    start: float
    seconds: float
    depth: int


def bars(trace: dict[str, Any]) -> list[Bar]:
    """The spans of a trace in Chrome's format."""
    made: list[Bar] = []
    for thread in {event["tid"] for event in trace["traceEvents"]}:
        mine = [one for one in trace["traceEvents"] if one["tid"] == thread and one["ph"] == "X"]
        ends: list[int] = []
        for one in sorted(mine, key=lambda one: (one["ts"], -one["dur"])):
            ends = [end for end in ends if end > one["ts"] + 1]
            made.append(Bar(one["name"], one["cat"], thread, one["ts"] / 1e6, one["dur"] / 1e6, len(ends)))
            ends.append(one["ts"] + one["dur"])
    return made


def svg(trace: dict[str, Any], title: str) -> str:
    """The picture: a row for each depth of each thread."""
    all_ = bars(trace)
    whole = max(bar.start + bar.seconds for bar in all_)
    scale = _WIDTH / whole
    names = {one["tid"]: one["args"]["name"] for one in trace["traceEvents"] if one["ph"] == "M"}
    marks, y = list(_legend(title)), float(_TOP)
    for thread in sorted(names, key=lambda thread: min(bar.start for bar in all_ if bar.thread == thread)):
        mine = [bar for bar in all_ if bar.thread == thread]
        if max(bar.seconds for bar in mine) * scale < _LEAST:
            continue
        marks.append(_text(0, y + 11, _named(names[thread])))
        marks += [mark for bar in mine for mark in _bar(bar, scale, y)]
        y += _ROW * (1 + max(bar.depth for bar in mine)) + _GAP
    return _page([*_axis(whole, scale, y), *marks], y + 18, title)


def _page(marks: Sequence[str], height: float, title: str) -> str:
    width = _LEFT + _WIDTH + 8
    box = f'viewBox="0 0 {width} {height:g}" width="{width}" height="{height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}'
    return "\n".join(
        [f'{head} role="img">', f"<title>{escape(title)}</title>", f"<style>{_STYLE}</style>", *marks, "</svg>\n"]
    )


def _legend(title: str) -> Iterator[str]:
    yield _text(0, 14, title, "title")
    for number, (kind, color) in enumerate(_COLORS.items()):
        yield f'<rect x="{_LEFT + number * 80}" y="27" width="12" height="12" fill="{color}"/>'
        yield _text(_LEFT + number * 80 + 17, 37, kind)


def _axis(whole: float, scale: float, bottom: float) -> Iterator[str]:
    step = next(size for size in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 50) if whole / size <= 12)
    for number in range(int(whole / step) + 1):
        x = _LEFT + number * step * scale
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 4}" y2="{bottom:g}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 12:g}" text-anchor="middle">{number * step:g} s</text>'


def _bar(bar: Bar, scale: float, top: float) -> Iterator[str]:
    x, y, width = _LEFT + bar.start * scale, top + bar.depth * _ROW, bar.seconds * scale
    if width < _LEAST:
        return
    said = f"<title>{escape(bar.name)}: {bar.seconds * 1000:.1f} ms</title>"
    box = f'x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{_ROW - 2}"'
    yield f'<rect {box} rx="2" fill="{_COLORS[bar.kind]}">{said}</rect>'
    room = int((width - 6) / _LETTER)
    if room >= min(len(bar.name), 5):
        yield _text(x + 3, y + 11, bar.name if len(bar.name) <= room else f"{bar.name[: room - 1]}…", "in")


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:g}">{escape(text)}</text>'


def _named(thread: str) -> str:
    return "tfce" if thread == "MainThread" else thread.removeprefix("tfce-").replace("_", " ")


def taken(count: int, latency: float) -> dict[str, Any]:
    """The trace of a submission on an emulated EC2."""
    options = {"Terraform_Module": "bulk", "Terraform_Batch": "1"}
    with tempfile.TemporaryDirectory() as folder, Moto() as emulator, Proxy(emulator.url, mend=False) as proxy:
        site, file = Site(Path(folder) / "site", emulator, proxy, options=options), Path(folder) / "trace.json"
        for more in ((), ("--trace", str(file))):
            done = site.run(*site.submission(count), *more)
            if done.code:
                raise SystemExit(done.err)
            proxy.latency = latency
        made: dict[str, Any] = json.loads(file.read_text())
        return made


def main() -> None:
    """Trace, and draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, help="a trace that is there already")
    parser.add_argument("--count", type=int, default=10, help="pilots")
    parser.add_argument("--latency", type=float, default=0.1, help="seconds added to each request")
    parser.add_argument("--title", default="", help="what is written above it")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="where to")
    given = parser.parse_args()
    trace = json.loads(given.file.read_text()) if given.file else taken(given.count, given.latency)
    title = (
        given.title or f"tfce submit --count {given.count} --trace FILE: EC2, +{given.latency:g} s to each request"
    )
    given.picture.write_text(svg(trace, title))


if __name__ == "__main__":
    main()
