"""Spot instances on a real API, through real Terraform: how they are asked for; nothing that runs is touched."""

from __future__ import annotations

from tests.rigs.proxy import ALWAYS, Fault
from tests.site import WRAPPER, Site


def test_spot_instances_come_first_and_others_fill_up(together: Site) -> None:
    site, wrapper = together, WRAPPER.encode()
    site.configure(Terraform_Spot="first", Terraform_SpotMaxPrice="0.02")
    (first,) = site.parts().fleet.submit(wrapper, 1).references
    full = Fault("RunInstances", "error", times=ALWAYS, code="MaxSpotInstanceCountExceeded", where="MarketType")
    site.proxy.add(full)
    parts = site.parts()
    submission = parts.fleet.submit(wrapper, 2)
    assert len(submission.references) == 2 and submission.failed == {}
    markets = {row["reference"]: row["market"] for row in site.status()}
    assert markets == {first: "spot", **dict.fromkeys(submission.references, "")}
    assert parts.terraform.plan().empty and site.proxy.counts().get("TerminateInstances", 0) == 0
    assert list(parts.workspace.load().rests) == ["name:t3.micro, spot"]
