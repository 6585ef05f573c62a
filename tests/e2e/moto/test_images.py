"""The newest image of a pattern on a real API: another one is taken when there is one, and no VM is replaced."""

from __future__ import annotations

import itertools
from uuid import uuid4

import pytest

from tests.site import WRAPPER, Site


def registered(site: Site, name: str) -> str:
    """A new image of this name; its id."""
    answer = site.emulator.call("RegisterImage", Name=name, RootDeviceName="/dev/xvda")
    return answer.findtext(".//imageId") or "none"


def born(site: Site, image: str) -> str:
    return site.emulator.call("DescribeImages", **{"ImageId.1": image}).findtext(".//creationDate") or ""


@pytest.mark.parametrize("module", ["bulk", "native"])
def test_a_newer_image_is_taken_from_then_on(together: Site, module: str) -> None:
    site, wrapper, name = together, WRAPPER.encode(), f"site-{uuid4().hex}"
    options = {"Instance_Image": f"newest:{name}-*", "Terraform_ImageOwners": "self"}
    site.configure(Terraform_Module=module, **options)
    one = registered(site, f"{name}-a")
    (first,) = site.parts().fleet.submit(wrapper, 1).references
    assert {row["image"] for row in site.status()} == {one}
    made = (registered(site, f"{name}-b{number}") for number in itertools.count())
    two = next(image for image in made if born(site, image) > born(site, one))

    parts = site.parts()
    site.proxy.counts(reset=True)
    (second,) = parts.fleet.submit(wrapper, 1).references
    assert site.proxy.counts()["DescribeImages"] <= (1 if module == "bulk" else 3)  # hashicorp/aws looks, too
    assert {row["reference"]: row["image"] for row in site.status()} == {first: one, second: two}
    assert parts.terraform.plan().empty and site.proxy.counts().get("TerminateInstances", 0) == 0
    told = [line["image"] for line in parts.workspace.journal.entries() if line["event"] == "image"]
    assert told == [one, two]
