"""Traces: what a span is, whose it is, and what is kept of it."""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tfce.cloud.pool import run_pool, within
from tfce.model import trace
from tfce.model.redact import learn
from tfce.store import traces


def names(made: trace.Trace) -> list[str]:
    return [one.name for one in made.spans]


def test_without_a_trace_a_span_is_nothing() -> None:
    with trace.span("phase", "a", number=1) as facts:
        facts["more"] = 2
    assert trace.current() is None


def test_spans_nest_and_end_also_where_something_is_raised() -> None:
    with (
        trace.recording() as made,
        pytest.raises(ValueError, match="no"),
        trace.span("verb", "outer"),
        trace.span("phase", "inner", number=1) as facts,
    ):
        facts["found"] = "x"
        raise ValueError("no")
    inner, outer = made.spans
    assert (inner.name, outer.name, inner.facts) == ("inner", "outer", {"number": 1, "found": "x"})
    assert outer.start <= inner.start and inner.start + inner.seconds <= outer.start + outer.seconds
    assert trace.current() is None


def test_two_verbs_in_threads_of_one_process_do_not_mix() -> None:
    both = threading.Barrier(2)

    def verb(name: str) -> list[str]:
        with trace.recording() as made:
            both.wait(10)
            run_pool([1, 2], [f"{name}{number}" for number in range(5)], lambda _, job: _note(job))
            list(within(10, [1], [f"{name}w"], lambda _, job: _note(job)))
        return sorted(names(made))

    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(verb, "ab")
    assert a == [*(f"a{number}" for number in range(5)), "aw"]
    assert b == [*(f"b{number}" for number in range(5)), "bw"]


def _note(name: str) -> bool:
    with trace.span("request", name):
        return True


def test_the_format_is_chromes_and_no_secret_is_in_it() -> None:
    learn("hush-hush")
    with (
        trace.recording() as made,
        trace.span("request", f"GET /x?sig=hush-hush&{'y' * 500}", status=200, a="hush-hush"),
    ):
        time.sleep(0.01)
    read = json.loads(json.dumps(made.chrome()))
    thread, span = read["traceEvents"]
    assert (thread["ph"], thread["name"], thread["args"]) == ("M", "thread_name", {"name": "MainThread"})
    assert (span["ph"], span["cat"], span["tid"], span["pid"]) == ("X", "request", thread["tid"], os.getpid())
    assert 0 <= span["ts"] < 1e6 and 1e4 <= span["dur"] < 1e6 and len(span["name"]) <= 200
    assert span["args"] == {"status": 200, "a": "****"} and "hush" not in json.dumps(read)


def test_a_trace_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_MOST", 3)
    with trace.recording() as made:
        for number in range(5):
            _note(str(number))
    assert names(made) == ["0", "1", "2"] and made.chrome()["otherData"] == {"dropped": 2}


def test_a_file_is_for_its_owner_however_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    with traces.to_file(path), pytest.raises(KeyError), trace.span("verb", "v"):
        raise KeyError
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["traceEvents"][1]["name"] == "v"


def test_a_folder_keeps_the_newest_of_each_queue_and_verb(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    with traces.to_folder(folder, "ce.queue", "poll"):
        pass
    for number in range(25):
        (folder / f"ce.queue.submit.2026010{number % 9 + 1}T00{number:02}00Z.json").write_text("{}")
    (folder / "notes.txt").write_text("mine")
    with traces.to_folder(folder, "ce.queue", "submit"):
        _note("one")
    assert len(list(folder.glob("ce.queue.submit.*"))) == 20 and len(list(folder.glob("ce.queue.poll.*"))) == 1
    newest = max(folder.glob("ce.queue.submit.*"))
    assert [event["name"] for event in json.loads(newest.read_text())["traceEvents"][1:]] == [
        "ce.queue.submit",
        "one",
    ]
    assert (folder / "notes.txt").exists() and folder.stat().st_mode & 0o777 == 0o700


def test_a_trace_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    done = []
    with traces.to_folder(tmp_path / "file", "q", "submit"):
        done.append(1)
    (tmp_path / "folder").mkdir()
    with traces.to_file(tmp_path / "folder" / "t.json"):
        (tmp_path / "folder").rmdir()
        done.append(2)
    assert done == [1, 2] and caplog.text.count("no trace is kept: ") == 2


def test_a_command_that_is_traced_is_one_trace(tmp_path: Path) -> None:
    with traces.to_file(tmp_path / "t.json"), traces.to_folder(tmp_path / "folder", "q", "submit"):
        _note("one")
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    assert [event["name"] for event in events[1:]] == ["submit", "one"] and not (tmp_path / "folder").exists()
