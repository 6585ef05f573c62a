"""What was promised of `Terraform_Module = bulk`, against what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.chart import WHERE
from benchmarks.results import Row

Line = tuple[str, str, str]
_GROWTH = 1.2  # seconds at 1000 running against those at 10
_FASTER = 10.0  # a submission of 50 with half a second of latency, against CloudCE
_SPARE = 2  # requests above the smallest possible number
_MEGABYTES = 2000  # for twenty commands at once, each a process of its own
_MANY, _FLAT = 10_000, 1.3  # running pilots; own seconds of a submission of 10 beside them, against beside 10
_LIST, _FLAT_MEGABYTES = 3.0, 300  # seconds of a poll or refresh of so many; memory
_TIMES = {  # what, how many, added seconds: how many times CloudCE's speed
    ("submit", 1, 0.0): 1.0,
    ("submit", 1, 0.5): 1.0,
    ("submit", 50, 0.5): 15.0,
    ("reap", 20, 0.0): 1.0,
    ("reap", 20, 0.5): 4.0,
    ("poll", 300, 0.5): 100.0,
}


def judged(rows: Sequence[Row]) -> list[Line]:
    """Goal, figure and verdict, for each that can be judged."""
    judges = (_growth, _flat, _start, _element, _faster, _requests, _queues)
    return [line for judge in judges for line in judge(rows)]


def _first(rows: Iterable[Row]) -> Row | None:
    return next(iter(rows), None)


def _met(met: bool) -> str:
    return "met" if met else "missed"


def _growth(rows: Sequence[Row]) -> Iterator[Line]:
    mine = [
        row for row in rows if row.who == "bulk" and row.what in ("submit", "refresh") and row.cloud != "small"
    ]
    for many in sorted((row for row in mine if row.running == 1000), key=lambda row: (row.cloud, row.task)):
        same = many.cloud, (many.latency, 10, many.what, many.count)
        few = _first(row for row in mine if (row.cloud, row.task) == same)
        if few:
            ratio, own = many.seconds / few.seconds, _own(many) / _own(few)
            what = f"{many.title} on {WHERE[many.cloud]}, +{many.latency:g} s: seconds at 1000 running / at 10"
            figure = f"{many.seconds:.1f} / {few.seconds:.1f} = {ratio:.2f}"
            apart = f"; less the cloud's time to answer {_own(many):.1f} / {_own(few):.1f} = {own:.2f}"
            verdict = _met(ratio <= _GROWTH)
            if ratio > _GROWTH >= own:
                verdict = "met but for the cloud's time"
            yield f"{what} ≤ {_GROWTH}", figure + (apart if many.asking else ""), verdict


def _flat(rows: Sequence[Row]) -> Iterator[Line]:
    """While 10 000 run."""
    mine = [row for row in rows if (row.cloud, row.who) == ("small", "bulk")]
    for many in (row for row in mine if row.running == _MANY):
        where = f"{many.title} beside {_MANY} on {WHERE['small']}"
        same = 10, many.what, many.count
        few = _first(row for row in mine if (row.running, row.what, row.count) == same)
        if (many.what, many.count) == ("submit", 10) and few:
            after, before = many.cpu or _own(many), few.cpu or _own(few)
            ratio, figure = after / before, f"{after:.2f} / {before:.2f} = {after / before:.1f}"
            yield f"{where}: own seconds of CPU / those beside 10 ≤ {_FLAT}", figure, _met(ratio <= _FLAT)
        if many.what in ("poll all", "refresh"):
            pages = many.least or 0
            seconds = many.cpu or many.seconds
            figure = f"{seconds:.1f} s; {many.seconds:.1f} s by the clock, load {many.load:g}"
            yield f"{where}: {_LIST:g} s of CPU", figure, _met(seconds <= _LIST)
            yield f"{where}: requests ≤ pages + 1", f"{many.requests}, {pages}", _met(many.requests <= pages + 1)
    most = max((row.megabytes or 0 for row in mine if row.running == _MANY), default=0)
    if most:
        yield (
            f"{_MANY} running on {WHERE['small']}: {_FLAT_MEGABYTES} MB in all",
            f"{most} MB",
            _met(most <= _FLAT_MEGABYTES),
        )


def _element(rows: Sequence[Row]) -> Iterator[Line]:
    """Our element beside CloudCE: at least so many times as fast, by latency."""
    for (what, count, latency), times in _TIMES.items():
        task = (latency, 0, what, count)
        mine = {row.who: row for row in rows if (row.cloud, row.running, row.task) == ("openstack", None, task)}
        ours, theirs = mine.get("element"), mine.get("cloudce")
        if ours and theirs:
            ratio = theirs.seconds / ours.seconds
            goal = (
                f"{what} {count} through the element on OpenStack, +{latency:g} s: {times:g} times CloudCE's speed"
            )
            figure = f"{theirs.seconds:.1f} / {ours.seconds:.1f} = {ratio:.1f} times"
            yield goal, figure, _met(ratio >= times)


def _own(row: Row) -> float:
    """Seconds in which the cloud was not asked."""
    return max(row.seconds - (row.asking or 0.0), 0.001)


def _start(rows: Sequence[Row]) -> Iterator[Line]:
    """A submission of one, without the starts of Terraform and of the command: CloudCE's process had started."""
    mine = [row for row in rows if row.who == "bulk" and row.what.endswith("'s start")]
    starts = {row.what: _own(row) for row in mine}
    for theirs in (row for row in rows if _is(row, "openstack", "cloudce", "submit", 1)):
        ours = _first(row for row in rows if _is(row, "openstack", "bulk", "submit", 1, theirs.latency))
        if ours and len(starts) == 2:
            rest = ours.seconds - sum(starts.values())
            apart = " and ".join(f"{seconds:.1f} s ({what})" for what, seconds in starts.items())
            figure = f"{ours.seconds:.1f} s less {apart} = {rest:.1f} s; CloudCE {theirs.seconds:.1f} s"
            goal = f"submit 1 on OpenStack, +{theirs.latency:g} s: not slower than CloudCE beyond the starts"
            yield goal, figure, _met(rest <= theirs.seconds)


def _is(row: Row, cloud: str, who: str, what: str, count: int, latency: float | None = None) -> bool:
    same = (row.cloud, row.who, row.what, row.count, row.running) == (cloud, who, what, count, None)
    return same and latency in (None, row.latency)


def _faster(rows: Sequence[Row]) -> Iterator[Line]:
    ours = _first(row for row in rows if _is(row, "openstack", "bulk", "submit", 50, 0.5))
    theirs = _first(row for row in rows if _is(row, "openstack", "cloudce", "submit", 50, 0.5))
    if ours and theirs:
        ratio = theirs.seconds / ours.seconds
        goal = f"submit 50 on OpenStack, +0.5 s: {_FASTER:g} times faster than CloudCE"
        figure = f"{theirs.seconds:.1f} / {ours.seconds:.1f} = {ratio:.1f} times"
        yield goal, figure, _met(ratio >= _FASTER)


def _requests(rows: Sequence[Row]) -> Iterator[Line]:
    counted = [row for row in rows if row.who == "bulk" and row.least is not None]
    for cloud in sorted({row.cloud for row in counted}):
        mine = [row for row in counted if row.cloud == cloud]
        over, worst = max(((row.requests - (row.least or 0), row) for row in mine), key=lambda pair: pair[0])
        figure = f"{over} more at most ({worst.title}: {worst.requests}, at least {worst.least})"
        yield f"requests on {WHERE[cloud]} ≤ the least possible + {_SPARE}", figure, _met(over <= _SPARE)


def _queues(rows: Sequence[Row]) -> Iterator[Line]:
    for row in rows:
        if row.what.endswith("queues") and row.who == "bulk" and row.megabytes:
            goal = f"{row.count} {row.what} at once in {_MEGABYTES} MB"
            yield goal, f"{row.megabytes} MB, {row.seconds:.1f} s", _met(row.megabytes < _MEGABYTES)


# -- from nothing ------------------------------------------------------------------------------------------------

_COLD, _REPEATED, _PILOT = 180, 20, 60  # seconds: a demo from nothing, once more; a first pilot beyond downloads
_GROUND = ("python -m venv", "pip install TfceDIRAC[demo], nothing in pip's cache")


def of_first(seconds: Mapping[str, float]) -> Iterator[Line]:
    """How soon something runs on an empty machine."""
    clone = "make demo in a fresh clone, nothing in pip's cache"
    rows = (
        ("environment, pip install, tfce demo", (*_GROUND, "tfce demo, the first time"), _COLD),
        (clone, (clone,), _COLD),
        ("tfce demo, repeated", ("tfce demo, repeated",), _REPEATED),
        ("make demo, repeated", ("make demo, repeated",), _REPEATED),
        ("tfce doctor and the first pilot of a CloudCE configuration", ("tfce doctor", "the first pilot"), _PILOT),
    )
    for title, steps, most in rows:
        total = sum(seconds[step] for step in steps)
        yield f"{title} ≤ {most} s", f"{total:.1f} s", _met(total <= most)


# -- the simulated market --------------------------------------------------------------------------------------

_SHARE, _CREATES, _FIZZLES = 0.98, 1.3, 12


def of_market(figures: Mapping[str, Any]) -> Iterator[Line]:
    """What was promised of a market, against what a simulated one gave."""
    where = f"{figures['cycles']} cycles of a simulated market, {figures['demand']} pilots wanted"
    share = figures["share"]
    goal = f"{where}: VM hours delivered, of those of an all-knowing scheduler ≥ {_SHARE:.0%}"
    yield goal, f"{share:.2%}", _met(share >= _SHARE)
    creates, vms = figures["creates"], figures["vms"]
    yield (
        f"{where}: create calls for each VM ≤ {_CREATES}",
        f"{creates} / {vms} = {creates / vms:.2f}",
        _met(creates <= _CREATES * vms),
    )
    fizzles = figures["fizzles"]
    yield f"pilots of an image that is broken for an hour ≤ {_FIZZLES}", str(fizzles), _met(fizzles <= _FIZZLES)
    for unit, cap in figures["caps"].items():
        used = figures["used"][unit]
        yield f"{unit} of a day ≤ the {cap} allotted", f"{used:.2f}", _met(used <= cap)
    killed = figures["killed_in_spite"]
    goal = "jobs killed that fitted the notice, or the margin before a VM's end = 0"
    yield goal, f"{killed}; {figures['interruptions']} VMs were taken by the market", _met(not killed)
