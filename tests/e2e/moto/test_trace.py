"""The trace of a real submission: each phase, process and request, and nothing that is secret."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.claims import every
from tests.site import SECRET, WRAPPER, Site

Event = dict[str, Any]


def read(path: Path) -> list[Event]:
    assert path.stat().st_mode & 0o777 == 0o600
    return [event for event in json.loads(path.read_text())["traceEvents"] if event["ph"] == "X"]


def of(events: list[Event], kind: str) -> Counter[str]:
    return Counter(event["name"] for event in events if event["cat"] == kind)


def crossing(events: list[Event]) -> Iterator[tuple[str, str]]:
    """Spans of one thread of which neither holds the other, nor goes before it."""
    for tid in {event["tid"] for event in events}:
        mine = sorted((e["ts"], -e["dur"], e["name"]) for e in events if e["tid"] == tid)
        open_: list[tuple[int, str]] = []
        for start, dur, name in mine:
            open_ = [one for one in open_ if one[0] > start + 1]  # times are rounded
            if open_ and start - dur > open_[-1][0] + 2:
                yield open_[-1][1], name
            open_.append((start - dur, name))


def test_a_submission_is_traced_whole(site: Site, tmp_path: Path) -> None:
    site.submit()
    first, file = site.instances(), tmp_path / "trace.json"
    done = site.run(*site.submission(3), "--trace", str(file))
    assert done.code == 0 and not done.err, done.err
    events = read(file)
    assert not list(crossing(events))
    assert of(events, "request") == done.json["calls"] == Counter({"RunInstances": 3})
    assert of(events, "process") - Counter({"terraform version": 1}) == {"terraform apply": 1, "cat": 1}
    assert {"read the record", "write the record", "wait for lock"} <= set(of(events, "phase"))
    (whole,) = (event for event in events if event["name"] == "tfce submit")
    assert every(e["ts"] >= 0 and e["ts"] + e["dur"] <= whole["ts"] + whole["dur"] + 2 for e in events)
    # What a thread did at its outermost level does not take longer than it was there, and most of that is
    # explained: on a busy machine it waits between two spans.
    (verb,) = (event for event in events if event["name"] == "submit")
    inner = [e for e in events if e["tid"] == verb["tid"] and _directly(e, verb, events)]
    assert 0.4 * verb["dur"] <= sum(event["dur"] for event in inner) <= verb["dur"] + len(inner)
    assert every(event["args"]["status"] == 200 for event in events if event["cat"] == "request")
    text = file.read_text()
    key, secret = site.login()
    assert not any(word in text for word in (key, secret, SECRET, "Signature", "#!/bin", WRAPPER[:40]))
    assert len(site.instances()) == len(first) + 3


def _directly(event: Event, whole: Event, events: list[Event]) -> bool:
    """Whether ``event`` is in ``whole``, and in nothing of the same thread that is in ``whole``."""

    def holds(outer: Event, inner: Event) -> bool:
        begin, end = outer["ts"] - 1, outer["ts"] + outer["dur"] + 1
        return outer is not inner and begin <= inner["ts"] and inner["ts"] + inner["dur"] <= end

    between = (e for e in events if e["tid"] == whole["tid"] and holds(whole, e) and e["dur"] > event["dur"])
    return holds(whole, event) and not any(holds(one, event) for one in between)


def test_each_verb_of_a_queue_that_says_so_is_traced(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    site.configure(Workspace_Trace=str(folder))
    parts = site.parts()
    done = parts.fleet.submit(WRAPPER.encode(), 1)
    parts.fleet.poll(done.references)
    site.do("StopInstances", done.references[0].removeprefix("cloud://"))
    sweep = parts.fleet.reap()
    parts.fleet.kill(["cloud://i-00000000000000000"])
    found = {path.name.split(".")[-3]: read(path) for path in folder.iterdir()}
    assert set(found) == {"submit", "poll", "reap", "kill"}
    assert of(found["submit"], "request") == done.calls and of(found["submit"], "process")["terraform init"] == 1
    assert of(found["poll"], "request") == {"DescribeInstances": 1} and not of(found["poll"], "process")
    assert (
        of(found["reap"], "request") == sweep.calls and of(found["reap"], "process")["terraform state push"] == 1
    )
