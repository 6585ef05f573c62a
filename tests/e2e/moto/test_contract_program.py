"""The contract of ``Provisioner``, and a queue's life, where Terraform starts the program
``terraform-provider-tfce``, as operators' pipelines have it, instead of being told of an attached provider."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from tests.contract.edges import Parts, SiteEdge
from tests.contract.test_life import test_from_submission_to_the_last_kill  # noqa: F401
from tests.contract.test_provisioner import *  # noqa: F403
from tests.site import Site
from tfce.provider import settings
from tfce.provider.run import Run
from tfce.terraform.bulk import Bulk


@contextmanager
def started(site: Site, run: Run) -> Iterator[Mapping[str, str]]:
    """Nothing is served: Terraform's environment tells the program what the run is about. What it asks the cloud
    is seen on the way there."""
    credentials, before = site.parts().credentials, Counter(site.proxy.counts())
    told = {settings.KEY: credentials.key, settings.SECRET: credentials.secret}
    told |= {} if run.only is None else {settings.KEYS: ",".join(sorted(run.only))}
    yield told | ({} if run.make else {settings.ADOPT_ONLY: "1"})
    run.spent(Counter(site.proxy.counts()) - before)


class ProgramEdge(SiteEdge):
    """A site whose Terraform starts the program."""

    def parts(self, queue: str = "long", **options: str) -> Parts:
        made = super().parts(queue, **options)
        assert isinstance(made.terraform, Bulk)
        made.terraform._attach = functools.partial(started, self._site)
        return made


@pytest.fixture
def edge(site: Site) -> SiteEdge:
    return ProgramEdge(site)
