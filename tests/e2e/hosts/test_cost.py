"""What a cycle costs where hosts share the record: runs of Terraform, the record's and the state's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.e2e.hosts.backends import Backend
from tests.e2e.hosts.site import Host, Hosts


def runs(host: Host, *words: str) -> Counter[str]:
    """The processes of Terraform that a command starts, by its own trace."""
    path: Path = host.folder / "trace.json"
    done = host.run(*words, "--trace", str(path))
    assert done.code == 0, done.err
    events = json.loads(path.read_text())["traceEvents"]
    spans = (event["name"] for event in events if event.get("ph") == "X" and event.get("cat") == "process")
    return Counter(name.removeprefix("terraform ") for name in spans if name.startswith("terraform "))


def test_runs_of_terraform_where_the_ce_has_an_allocation(made: Callable[..., Hosts], pg: Backend) -> None:
    hosts = made(pg, "a", Workspace_MaxHours="9000/month ce", MaxTotalJobs="9")
    a, b = hosts[0], hosts.add("b", "short")
    for host in (a, b):
        host.do("submit", 1)  # sets the queue up
    # Beside its own record: the CE's read, taken and given back, and the other queue's read.
    assert runs(a, *a.submission(1)) == {"state pull": 3, "state push": 4, "apply": 1}
    a.configure(Workspace_MaxHours="")
    assert runs(a, *a.submission(1)) == {"state pull": 1, "state push": 2, "apply": 1}


def test_runs_of_terraform_by_verb(made: Callable[..., Hosts], pg: Backend) -> None:
    hosts = made(pg, "a", MaxTotalJobs="9")
    (host,) = hosts.all
    first = list(host.do("submit", 2)["stamps"])  # sets the queue up
    submission = {"state pull": 1, "state push": 2, "apply": 1}
    assert runs(host, *host.submission(1)) == runs(host, *host.submission(3)) == submission
    look = {"state pull": 2}  # the record, and the state
    assert runs(host, "status", host.name) == runs(host, "reap", host.name) == look
    hosts.stop(first[0])
    assert runs(host, "reap", host.name) == {"state pull": 2, "state push": 3}
    assert runs(host, "kill", host.name, first[1]) == {"state pull": 2, "state push": 3}
