"""Boot from volume, with a real cinder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.checking import consistent, until
from tests.e2e.openstack.cloud import OpenStackSite, node
from tests.e2e.openstack.rig import Rig

pytestmark = [pytest.mark.rig("not every cloud has volumes to spare"), pytest.mark.takes("cinder")]


@pytest.fixture
def cinder(rig: Rig) -> Iterator[None]:
    """The rig with cinder."""
    rig.verb("start", "cinder")
    yield
    rig.verb("stop", "cinder")


@pytest.mark.usefixtures("cinder")
@pytest.mark.parametrize("module", ["bulk", "native"])
def test_a_root_volume_comes_and_goes_with_its_vm(site: OpenStackSite, module: str) -> None:
    site.configure(Terraform_RootVolume="5", Terraform_Module=module)
    result = site.submit(1)
    assert result.code == 0, result.out
    (reference,) = result.json["references"]
    site.becomes(reference, "ACTIVE")
    server = site.server(reference)
    assert not server["image"]  # nova has none for it: the volume was made of the image
    (attached,) = server["os-extended-volumes:volumes_attached"]
    volume = site.api.ask("GET", "volumev3", f"/volumes/{attached['id']}")["volume"]
    assert (volume["size"], volume["status"], volume["bootable"]) == (5, "in-use", "true")
    assert volume["volume_image_metadata"]["image_name"] == site.rig.env["RIG_IMAGE"]
    assert [one["server_id"] for one in volume["attachments"]] == [node(reference)]
    consistent(site, 1)
    site.power_off(reference)
    assert [r["reason"] for r in site.run("reap", site.name, "--json").json["removed"]] == ["stopped"]
    until(lambda: attached["id"] not in volumes(site), "the volume is gone")
    consistent(site, 0)


def volumes(site: OpenStackSite) -> set[str]:
    """The project's volumes."""
    return {volume["id"] for volume in site.api.ask("GET", "volumev3", "/volumes")["volumes"]}
