"""The contract of ``Provisioner``, and a queue's life, where Terraform starts the program
``terraform-provider-tfce``, as operators' pipelines have it, instead of being told of an attached provider."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.checking import WAIT, alive, children, consistent, until
from tests.contract.edges import Parts, SiteEdge
from tests.contract.test_life import test_from_submission_to_the_last_kill  # noqa: F401
from tests.contract.test_provisioner import *  # noqa: F403
from tests.drawn import some
from tests.e2e.moto.through_program import started
from tests.rigs.proxy import Fault
from tests.site import Site
from tfce.provider.run import Run
from tfce.terraform.bulk import Bulk


@contextmanager
def counted(site: Site, run: Run) -> Iterator[Mapping[str, str]]:
    """What the program asks the cloud is seen on the way there."""
    before = Counter(site.proxy.counts())
    with started(site.parts().credentials, run) as told:
        yield told
    run.spent(Counter(site.proxy.counts()) - before)


class ProgramEdge(SiteEdge):
    """A site whose Terraform starts the program."""

    def parts(self, queue: str = "long", **options: str) -> Parts:
        made = super().parts(queue, **options)
        assert isinstance(made.terraform, Bulk)
        made.terraform._attach = functools.partial(counted, self._site)
        return made


@pytest.fixture
def edge(site: Site) -> SiteEdge:
    return ProgramEdge(site)


# -- crashes ---------------------------------------------------------------------------------------------------

VICTIMS: Mapping[str, Callable[[int], list[int]]] = {
    "tfce": lambda tfce: [tfce],
    "Terraform": lambda tfce: _those(tfce, b"\0apply\0"),
    "the provider": lambda tfce: _those(tfce, b"tfce.provider"),
    "all": lambda tfce: [tfce, *children(tfce)],
}


def _those(tfce: int, words: bytes) -> list[int]:
    found = [pid for pid in children(tfce) if words in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert found
    return found


@pytest.mark.parametrize("victim", some(list(VICTIMS), 1 / 2, "victims"))
def test_kill_9_in_the_middle_of_an_apply(site: Site, victim: str) -> None:
    site.configure(Terraform_Parallelism="1")
    site.submit(1)
    site.proxy.counts(reset=True)
    site.proxy.add(Fault("RunInstances", "hang", nth=2, seconds=4))
    command = [sys.executable, "-m", "tests.e2e.moto.through_program", str(site.cfg), site.name, "3"]
    process = subprocess.Popen(command, env=site.environment(), stderr=subprocess.PIPE, text=True)
    until(lambda: site.proxy.counts().get("RunInstances", 0) >= 2, "the second request")
    started_by_it = children(process.pid)
    for pid in VICTIMS[victim](process.pid):
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=WAIT)
    until(lambda: not any(map(alive, started_by_it)), "what it started ends")
    until(lambda: len(site.instances()) == 1 + site.proxy.counts()["RunInstances"], "what is under way arrives")
    site.proxy.clear()
    for cycle in (site.submit(1), site.run("reap", site.name)):
        assert cycle.code == 0, cycle.err
    consistent(site, 1 + site.proxy.counts()["RunInstances"])  # none is lost, none was asked for twice
