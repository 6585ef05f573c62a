"""Two flavors on a real API: what one has no room for comes from the other, and nothing that runs is touched."""

from __future__ import annotations

import pytest

from tests.rigs.proxy import ALWAYS, Fault
from tests.site import WRAPPER, Site
from tfce.app import Parts


def filled_up(site: Site, code: str, where: str) -> tuple[Parts, str, list[str]]:
    """One pilot, then two more when EC2 has no room ``where`` the first is: they come up elsewhere."""
    wrapper = WRAPPER.encode()
    (first,) = site.parts().fleet.submit(wrapper, 1).references
    site.proxy.add(Fault("RunInstances", "error", times=ALWAYS, code=code, where=where))
    parts = site.parts()
    submission = parts.fleet.submit(wrapper, 2)
    assert len(submission.references) == 2 and submission.failed == {}
    return parts, first, submission.references


@pytest.mark.parametrize("module", ["bulk", "native"])
def test_what_is_missing_comes_from_the_next_flavor_in_the_same_cycle(together: Site) -> None:
    site, wrapper = together, WRAPPER.encode()
    site.configure(Instance_Flavor="t3.micro, t3.small")
    parts, first, others = filled_up(site, "InsufficientInstanceCapacity", "t3.micro")
    flavors = {row["reference"]: row["flavor"] for row in site.status()}
    assert flavors == {first: "t3.micro", **dict.fromkeys(others, "t3.small")}
    record = parts.workspace.load()
    assert list(record.offering_backoffs) == ["t3.micro"] and record.backoff is None
    assert parts.terraform.plan().empty and site.proxy.counts().get("TerminateInstances", 0) == 0

    site.proxy.counts(reset=True)
    assert len(site.parts().fleet.submit(wrapper, 1).references) == 1
    assert site.proxy.counts()["RunInstances"] == 1  # the one that rests is not asked for
    site.configure(Instance_Flavor="t3.nano")
    site.parts().fleet.submit(wrapper, 1)
    assert len(site.status()) == 5 and site.proxy.counts().get("TerminateInstances", 0) == 0
