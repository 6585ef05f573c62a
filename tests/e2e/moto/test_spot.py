"""Spot instances on a real API, through real Terraform: how they are asked for; nothing that runs is touched."""

from __future__ import annotations

from tests.e2e.moto.test_offerings import filled_up
from tests.site import Site


def test_spot_instances_come_first_and_others_fill_up(together: Site) -> None:
    site = together
    site.configure(Terraform_Spot="first", Terraform_SpotMaxPrice="0.02")
    parts, first, others = filled_up(site, "MaxSpotInstanceCountExceeded", "MarketType")
    markets = {row["reference"]: row["market"] for row in site.status()}
    assert markets == {first: "spot", **dict.fromkeys(others, "")}
    assert parts.terraform.plan().empty and site.proxy.counts().get("TerminateInstances", 0) == 0
    assert list(parts.workspace.load().offering_backoffs) == ["name:t3.micro, spot"]
