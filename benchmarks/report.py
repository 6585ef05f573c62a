"""Tables, goals and chart of what was measured: `python -m benchmarks.report [FILE...] [--write]`.

Without files, the newest of each program in benchmarks/results. `--write` puts the tables into
benchmarks/README.md and benchmarks/openstack.md, between their markers, and the chart into docs/cost.svg.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import chart, goals, market_chart
from benchmarks.results import FOLDER, Row, load, newest

HERE = Path(__file__).resolve().parent
CHART = HERE.parent / "docs" / "cost.svg"
MARKET = HERE / "market.svg"
PAGES = {
    "goals": "README.md",
    "market": "README.md",
    "first": "README.md",
    "moto": "README.md",
    "localstack": "README.md",
    "small": "README.md",
    "openstack": "openstack.md",
}
_HEADS = {"bulk": "tfce, bulk", "element": "tfce's element", "native": "tfce, native", "cloudce": "CloudCE"}


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cloud_table(rows: Sequence[Row]) -> str:
    """All that was measured on one cloud, one task a line, whoever did it side by side."""
    who = [name for name in _HEADS if any(row.who == name for row in rows)]
    cells = {(row.task, row.who): row for row in rows}
    among = any(row.running is not None for row in rows)
    lines = []
    for task in sorted(
        {row.task for row in rows}, key=lambda task: (task[0], task[1], _order(task[2]), task[2], task[3])
    ):
        mine = [cells.get((task, name)) for name in who]
        one = next(row for row in mine if row)
        least = min((row.least for row in mine if row and row.least), default=None)
        lines.append(
            [
                f"{task[0]:g} s",
                *([str(one.running or "") if one.running is not None else ""] if among else []),
                one.title,
                *(row.cell if row else "" for row in mine),
                str(least or ""),
            ]
        )
    heads = ["added latency", *(["running"] if among else []), "what", *(_HEADS[name] for name in who), "at least"]
    return markdown(heads, lines)


def _order(what: str) -> int:
    known = ("first submit", "submit", "refresh", "poll", "reap")
    return known.index(what) if what in known else len(known)


def when(rows: Iterable[Row], machines: Mapping[str, str]) -> str:
    """When, where and how busily these rows were measured."""
    runs: dict[str, list[float]] = {}
    for row in rows:
        runs.setdefault(row.run, []).append(row.load)
    return "\n".join(
        f"{run[:10]} {run[11:16]}, {machines.get(run, '?')}; load {min(loads):.0f} to {max(loads):.0f}."
        for run, loads in sorted(runs.items())
    )


def sections(files: Sequence[Path]) -> dict[str, str]:
    """The text between each pair of markers, as far as something was measured."""
    rows, machines = load(files)
    texts = {}
    for cloud in chart.WHERE:
        mine = [row for row in rows if row.cloud == cloud]
        if mine:
            texts[cloud] = f"{when(mine, machines)}\n\n{cloud_table(mine)}"
    judged = goals.judged(rows)
    if judged:
        sources = ", ".join(f"`results/{path.name}`" for path in sorted(files))
        texts["goals"] = f"From {sources}.\n\n{markdown(('goal', 'measured', ''), judged)}"
    figures = last_figures("market")
    if figures:
        table = markdown(("goal", "simulated", ""), list(goals.of_market(figures)))
        texts["market"] = f"{figures['run'][:10]}, seed {figures['seed']}.\n\n{table}"
    figures = last_figures("first")
    if figures:
        table = markdown(("goal", "measured", ""), list(goals.of_first(figures["seconds"])))
        texts["first"] = f"Python {figures['python']}, {figures['cores']} cores.\n\n{table}"
    return texts


def last_figures(program: str, folder: Path = FOLDER) -> dict[str, Any] | None:
    """What a program of one file a day measured last."""
    last = sorted(folder.glob(f"{program}-*.json"))
    return json.loads(last[-1].read_text()) if last else None


def updated(page: str, texts: Mapping[str, str]) -> str:
    """``page`` with these sections in it, those that it has."""
    for name, text in texts.items():
        pattern = rf"(<!-- measured: {name} -->\n).*?(<!-- end: {name} -->)"
        page = re.sub(pattern, partial(_with, text), page, flags=re.DOTALL)
    return page


def _with(text: str, section: re.Match[str]) -> str:
    return f"{section[1]}{text}\n{section[2]}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print or write all of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="files of rows")
    parser.add_argument("--write", action="store_true", help="into the pages, and the chart")
    parser.add_argument("--chart", type=Path, help="where to write the chart to")
    given = parser.parse_args(arguments)
    files = given.files or newest()
    texts = sections(files)
    for name, text in texts.items():
        print(f"## {name}\n\n{text}\n")
    if given.write:
        for page in {HERE / name for name in PAGES.values()}:
            page.write_text(updated(page.read_text(), texts))
    target = given.chart or (CHART if given.write else None)
    rows, _ = load(files)
    if target and chart.shown(rows):
        target.write_text(chart.svg(rows))
    figures = last_figures("market")
    if given.write and figures:
        MARKET.write_text(market_chart.svg(figures))


if __name__ == "__main__":
    main()
