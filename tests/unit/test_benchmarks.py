"""From rows to tables, goals and chart; the measuring itself is not done here."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import chart, goals, market_chart, report
from benchmarks.measure import Cost, under_way
from benchmarks.openstack import spans, waiting
from benchmarks.results import FOLDER, Results, load, newest
from tests.claims import every

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """A file with submissions of 10 on two clouds, and more on OpenStack beside CloudCE."""
    results = Results("openstack", "this machine", tmp_path / "results" / "openstack-2026-01-02.jsonl")
    for cloud in ("openstack", "moto"):
        for running, seconds in ((10, 3.0), (100, 3.0), (1000, 3.3)):
            cost = Cost(seconds, 7, megabytes=150)
            results.add(cloud, "bulk", "submit", 10, cost, 0.0, running=running, least=6)
        results.add(cloud, "native", "submit", 10, Cost(17.0, 116, 150, 15.0, 9.5), 0.0, running=10, least=6)
    results.add("openstack", "bulk", "refresh", 0, Cost(2.0, 5), 0.0, running=10, least=5)
    results.add("openstack", "bulk", "refresh", 0, Cost(3.0, 8), 0.0, running=1000, least=5)
    results.add("openstack", "bulk", "submit", 50, Cost(7.0, 8), 0.5, least=6)
    results.add("openstack", "cloudce", "submit", 50, Cost(63.0, 103), 0.5, least=5)
    results.add("openstack", "bulk", "Terraform's start", 0, Cost(2.0, 1, asking=0.5), 0.0)
    results.add("openstack", "bulk", "command's start", 0, Cost(0.5, 0), 0.0)
    results.add("openstack", "bulk", "submit", 1, Cost(3.0, 7), 0.0, least=6)
    results.add("openstack", "cloudce", "submit", 1, Cost(1.2, 7), 0.0, least=5)
    results.add("openstack", "element", "submit", 50, Cost(4.0, 8), 0.5, least=6)
    for running, seconds in ((10, 0.3), (10_000, 0.7)):
        cost = Cost(9.0, 3, 290, 0.2, cpu=seconds)
        results.add("small", "bulk", "submit", 10, cost, 0.0, running=running, least=2)
        results.add("small", "bulk", "refresh", 0, Cost(4.0, 12, 301, cpu=2.0), 0.0, running=running, least=10)
    results.add("moto", "bulk", "queues", 20, Cost(20.0, 40, megabytes=900), 0.0)
    return results


def test_the_rows_of_a_run_that_is_stopped_are_kept_and_newer_ones_win(results: Results) -> None:
    before, _ = load([results.path])
    again = Results("openstack", "another machine", results.path)
    again.add("openstack", "bulk", "submit", 1, Cost(2.5, 7), 0.0, least=6)
    rows, machines = load([results.path])
    assert len(rows) == len(before)
    (row,) = (r for r in rows if (r.cloud, r.who, *r.task) == ("openstack", "bulk", 0.0, 0, "submit", 1))
    assert row.seconds == 2.5 and machines[row.run].startswith("another machine")


def test_of_what_one_run_measured_several_times_the_middle_counts(results: Results) -> None:
    again = Results("openstack", "a machine", results.path)
    for seconds in (9.0, 2.5, 3.0):
        again.add("openstack", "bulk", "submit", 1, Cost(seconds, 7), 0.0, least=6)
    (row,) = (r for r in load([results.path])[0] if (r.who, *r.task) == ("bulk", 0.0, 0, "submit", 1))
    assert row.seconds == 3.0


def test_the_last_file_of_each_program_is_read(results: Results) -> None:
    folder = results.path.parent
    for name in ("openstack-2026-01-10", "moto-2025-12-31", "queues-2026-01-01", "moto-2026-01-01"):
        (folder / f"{name}.jsonl").touch()
    assert {path.stem for path in newest(folder)} == {
        "moto-2026-01-01",
        "openstack-2026-01-10",
        "queues-2026-01-01",
    }


def test_all_who_did_the_same_stand_in_one_line(results: Results) -> None:
    rows, _ = load([results.path])
    table = report.cloud_table([row for row in rows if row.cloud == "openstack"])
    assert (
        "| added latency | running | what | tfce, bulk | tfce's element | tfce, native | CloudCE | at least |"
        in table
    )
    waited = "17.0 s (15.0 asking, 9.5 waiting) · 116 · 150 MB"
    assert f"| 0 s | 10 | submit 10 | 3.0 s · 7 · 150 MB |  | {waited} |  | 6 |" in table
    assert "| 0.5 s |  | submit 50 | 7.0 s · 8 | 4.0 s · 8 |  | 63.0 s · 103 | 5 |" in table


def test_goals_are_judged(results: Results) -> None:
    rows, _ = load([results.path])
    judged = {goal: (figure, verdict) for goal, figure, verdict in goals.judged(rows)}
    said = "\n".join(f"{goal}: {figure}: {verdict}" for goal, (figure, verdict) in judged.items())
    assert "submit 10 on EC2 (moto), +0 s: seconds at 1000 running / at 10 ≤ 1.2: 3.3 / 3.0 = 1.10: met" in said
    assert "refresh on OpenStack, +0 s: seconds at 1000 running / at 10 ≤ 1.2: 3.0 / 2.0 = 1.50: missed" in said
    assert (
        "submit 50 through the element on OpenStack, +0.5 s: 15 times CloudCE's speed: 63.0 / 4.0 = 15.8" in said
    )
    beside = "beside 10000 on a fast nova"
    assert f"submit 10 {beside}: own seconds of CPU / those beside 10 ≤ 1.3: 0.70 / 0.30 = 2.3: missed" in said
    assert f"refresh {beside}: 3 s of CPU: 2.0 s; 4.0 s by the clock" in said
    assert f"refresh {beside}: requests ≤ pages + 1: 12, 10: missed" in said
    assert "10000 running on a fast nova: 300 MB in all: 301 MB: missed" in said
    assert "= 1.0 s; CloudCE 1.2 s: met" in said
    assert "10 times faster than CloudCE: 63.0 / 7.0 = 9.0 times: missed" in said
    assert (
        "requests on OpenStack ≤ the least possible + 2: 3 more at most (refresh: 8, at least 5): missed" in said
    )
    assert "20 queues at once in 2000 MB: 900 MB, 20.0 s: met" in said


def test_the_chart_is_a_picture_by_itself(results: Results, tmp_path: Path) -> None:
    target = tmp_path / "cost.svg"
    report.main([str(results.path), "--chart", str(target)])
    text = target.read_text()
    root = ElementTree.fromstring(text)
    assert len(root.findall(f".//{SVG}g")) == 3 and len(root.findall(f".//{SVG}circle")) == 8
    labels = {label.text for label in root.iter(f"{SVG}text")}
    assert labels >= {"7 requests", "116 requests", "1000", "native", "element"}
    assert "prefers-color-scheme: dark" in text and "<script" not in text and "url(" not in text
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    assert every(
        float(c.get("cx", "-1")) <= width and 0 < float(c.get("cy", "-1")) < height
        for c in root.iter(f"{SVG}circle")
    )


def test_pages_show_what_the_files_say_that_they_name(results: Results) -> None:
    for section, page in report.PAGES.items():
        text = (report.HERE / page).read_text()
        assert report.updated(text, {section: "NEW"}) != text, f"{page} has no place for {section}"
    named = re.findall(r"`results/(\S+\.jsonl)`", (report.HERE / "README.md").read_text())
    files = [FOLDER / name for name in named]
    texts = report.sections(files or [results.path])
    assert f"`results/{(files or [results.path])[0].name}`" in texts["goals"]
    if files:
        for page in report.PAGES.values():
            text = (report.HERE / page).read_text()
            assert report.updated(text, texts) == text, "run: make bench-tables"
        figures = report.last_figures("market")
        assert figures and report.MARKET.read_text() == market_chart.svg(figures), "run: make bench-tables"
        assert report.CHART.read_text() == chart.svg(load(files)[0]), "run: make bench-tables"


def test_waiting_is_what_is_left_after_the_last_vm_was_asked_for() -> None:
    def request(
        start: float, seconds: float, method: str = "GET", path: str = "/v2.1/servers/1"
    ) -> dict[str, object]:
        return {"start": start, "seconds": seconds, "method": method, "path": path}

    post = ("POST", "/v2.1/servers")
    log = [request(0, 1, *post), request(1, 1), request(3, 2, *post), request(4, 2), request(9, 1)]
    assert under_way(spans(log)) == 1 + 1 + 3 + 1
    assert waiting(log) == 9 - 2
    assert waiting(log[:1]) == 0
