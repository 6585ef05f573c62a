"""A queue's record and state move from one backend to another, while its pilots run."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.drawn import some
from tests.e2e.hosts.backends import Backend, OnHttp, OnPostgres, OnS3
from tests.e2e.hosts.site import Host, Hosts
from tests.rigs.gitlab import GitLab


def moved(host: Host, backend: Backend | None) -> None:
    """One command; then the options of that host say where the record is now."""
    before = host.options["Terraform_Backend"]
    host.use(backend)
    host.configure(Terraform_Backend=before)
    move(host, backend.name if backend else "local")


def move(host: Host, target: str) -> None:
    """The same, to a backend whose login the host has."""
    told = host.run("move-state", host.name, target)
    assert told.code == 0, told.out + told.err
    host.configure(Terraform_Backend=target)


def test_where_a_queue_moves_to_its_pilots_count(made: Callable[..., Hosts], pg: Backend, gitlab: GitLab) -> None:
    http, life = OnHttp(gitlab, gitlab=True), {"Context_MaxLifetime": "14400", "Terraform_CreateTimeout": "3600"}
    hosts = made(pg, "a", others=[http], Workspace_MaxHours="16/month ce", **life)  # 5 hours a pilot
    a, b = hosts[0], hosts.add("b", "short")
    assert len(a.do("submit", 2)["stamps"]) == 2
    moved(a, http)
    b.use(http)  # it has not asked any backend yet
    b.configure()
    assert len(b.do("submit", 2)["stamps"]) == 1
    assert a.do("submit", 1)["stamps"] == {}
    moved(b, pg)
    moved(a, pg)  # there it was before
    assert b.do("submit", 1)["stamps"] == a.do("submit", 1)["stamps"] == {}


def test_a_queue_of_one_host_becomes_one_of_several(made: Callable[..., Hosts], pg: Backend) -> None:
    hosts = made(pg, "a", MaxTotalJobs="3")
    (a,) = hosts.all
    a.configure(Terraform_Backend="local")
    references = list(a.do("submit", 2)["stamps"])
    moved(a, pg)
    assert len(a.do("submit", 4)["stamps"]) == 1 == len(hosts.add("b").do("kill", references[0])["removed"])
    a.do("reap")
    hosts.agree(2)


def test_who_sets_the_options_alone_is_told_the_command(made: Callable[..., Hosts], pg: Backend) -> None:
    hosts = made(pg, "a", MaxTotalJobs="3")
    (a,) = hosts.all
    a.configure(Terraform_Backend="local")
    references = list(a.do("submit", 2)["stamps"])
    a.configure(Terraform_Backend="pg")
    name, command = said(a.ask("submit", 1))
    assert a.do("poll", *references) == dict.fromkeys(references, "Running")
    a.configure(Terraform_Backend=name)
    told = a.run(*command.split())
    assert told.code == 0, told.err
    a.configure(Terraform_Backend="pg")
    assert len(a.do("submit", 4)["stamps"]) == 1
    hosts.agree(3)


def test_a_move_under_another_name_of_the_installation_writes_nothing(
    made: Callable[..., Hosts], pg: Backend
) -> None:
    hosts = made(pg, "a", MaxTotalJobs="3")
    (a,) = hosts.all
    a.configure(Terraform_Backend="local")
    assert len(a.do("submit", 2)["stamps"]) == 2
    a.configure(Workspace_Installation="lz-prod")
    told = a.run("move-state", a.name, "pg")
    assert told.code == 2 and "set Workspace_Installation = hosts until" in told.err, told
    b = hosts.add("b", "short")  # the place is still anybody's
    b.configure(Workspace_Installation="lz-prod")
    assert len(b.do("submit", 1)["stamps"]) == 1


def test_a_queue_moves_to_any_backend_and_back(made: Callable[..., Hosts], pg: Backend, gitlab: GitLab) -> None:
    http = OnHttp(gitlab, gitlab=True)
    hosts = made(pg, others=[http], MaxTotalJobs="4")
    a, b = hosts.all
    references = list(a.do("submit", 3)["stamps"])
    hosts.stop(references[0])
    assert set(b.do("reap")["removed"]) == {references[0]}
    words = a.do("poll", *references)
    moved(a, http)
    late = b.ask("submit", 1)  # its options still say pg
    assert late["error"] == "configuration" and "is in http" in late["message"], late
    assert b.ask("poll", *references[1:])["said"] == dict.fromkeys(references[1:], "Running")
    b.use(http)
    b.configure()
    assert a.do("poll", *references) == b.do("poll", *references) == words
    assert len(b.insist("submit", 1)["stamps"]) == 1
    hosts.agree(3)
    hosts.all.remove(b)
    moved(a, None)
    assert a.do("poll", *references) == words and len(a.do("submit", 4)["stamps"]) == 1
    hosts.agree(4)


WRAP = """#!/bin/sh
# Counts the runs of Terraform; tfce is killed before the run whose number is in `at`, or after it, with a + there.
case "$1" in init|state) ;; *) exec {real} "$@" ;; esac
cd_to={folder}
n=$(($(cat $cd_to/runs) + 1))
echo $n > $cd_to/runs
at=$(cat $cd_to/at)
[ "$n" = "$at" ] && kill -9 $PPID && exit 1
{real} "$@"
code=$?
[ "$n+" = "$at" ] && kill -9 $PPID
exit $code
"""


class Fragile:
    """A Terraform whose tfce dies at one of its runs."""

    def __init__(self, folder: Path) -> None:
        self.program, self._folder = folder / "terraform", folder
        folder.mkdir()
        self.program.write_text(WRAP.format(real=shutil.which("terraform"), folder=folder))
        self.program.chmod(0o755)
        self.at("")

    def at(self, moment: str) -> None:
        """Die there: before the run of that number, with a + after it; "" for never."""
        (self._folder / "runs").write_text("0")
        (self._folder / "at").write_text(moment)

    @property
    def runs(self) -> int:
        """How many there were since."""
        return int((self._folder / "runs").read_text())


WAYS = [("gitlab", None), (None, "s3"), ("s3", "pg")]


@pytest.mark.parametrize("end", ["", "+"], ids=["before", "after"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(name or "local" for name in way))
def test_a_move_that_is_killed_at_any_step_is_ended_as_the_message_says(
    made: Callable[..., Hosts],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    way: tuple[str | None, str | None],
    end: str,
) -> None:
    ends = [place(request, name) for name in way]
    first = next(end for end in ends if end)
    hosts = made(first, "a", others=[end for end in ends if end not in (None, first)], MaxTotalJobs="99")
    (host,) = hosts.all
    for one in ends:
        host.use(one)
    here, there = (end.name if end else "local" for end in ends)
    fragile = Fragile(tmp_path / "bin")
    host.configure(Terraform_Backend=here, Terraform_Binary=str(fragile.program))
    references = list(host.do("submit", 2)["stamps"])
    for _ in range(2):  # the first time makes what is there the second time
        fragile.at("")
        move(host, there)
        runs = fragile.runs
        move(host, here)
    for run in some(range(1, runs + 1), 3 / runs, f"{way} {end}"):
        fragile.at(f"{run}{end}")
        told = host.run("move-state", host.name, there)
        assert told.code == -signal.SIGKILL, (run, runs, told)
        fragile.at("")
        finished(host, there, references)
        move(host, here)
    assert host.do("poll", *references) == dict.fromkeys(references, "Running")


def place(request: pytest.FixtureRequest, name: str | None) -> Backend | None:
    """A backend of that kind."""
    if name is None:
        return None
    server = request.getfixturevalue({"pg": "postgres"}.get(name, name))
    return {"pg": OnPostgres, "s3": OnS3}[name](server) if name != "gitlab" else OnHttp(server, gitlab=True)


def finished(host: Host, target: str, references: list[str]) -> None:
    """Whoever does only what tfce says ends the move; every pilot runs on meanwhile."""
    alive = dict.fromkeys(references, "Running")
    assert host.do("poll", *references) == alive
    if "said" not in (answer := asked(host)):
        host.configure(Terraform_Backend=said(answer)[0])
        answer = asked(host)
        assert host.do("poll", *references) == alive
        if "said" not in answer:
            back, command = said(answer)
            host.configure(Terraform_Backend=back)
            told = host.run(*command.split())
            assert told.code == 0, told.out + told.err
            host.configure(Terraform_Backend=target)
    else:
        move(host, target)
    assert host.do("poll", *references) == alive
    known = host.facts()
    assert known["record"] == known["state"] and len(known["record"]) == len(host.instances()) == len(references)


def asked(host: Host) -> dict[str, Any]:
    """The answer to a submission. Who died in a write, and cannot know what became of it, is told to wait."""
    answer = host.ask("submit", 0)
    if answer.get("error") != "busy":
        return answer
    assert "move the record" in answer["message"], answer
    host.pass_lease()
    return host.ask("submit", 0)


def said(answer: dict[str, Any]) -> tuple[str, str]:
    """Which backend to set, and which command to run there."""
    assert answer["error"] == "configuration", answer
    found = re.search(r"set it to (\w+) on every host; from there `tfce (move-state \S+ \w+)`", answer["message"])
    assert found, answer
    return found[1], found[2]
