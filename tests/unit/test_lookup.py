"""What an OpenStack calls by name or id: the doctor and the provider agree, whatever is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.claims import every
from tests.rigs.smallstack import FLAVOR, IMAGE, SmallStack, flavor, image
from tests.unit.conftest import MakeQueue
from tfce.cloud.api import Check, Cloud, Requirements
from tfce.cloud.factory import connect
from tfce.cloud.openstack.endpoints import fitting
from tfce.cloud.shape import Shape
from tfce.config.credentials import Credentials
from tfce.config.openstack_logins import auth_url, libcloud_auth_url
from tfce.model.errors import CloudError
from tfce.model.vm import Owner

EGI = "registry.egi.eu egi_vm_images/ubuntu:24.04"


@pytest.fixture
def stack() -> Iterator[SmallStack]:
    with SmallStack() as made:
        yield made


@pytest.fixture
def reach(stack: SmallStack, make_queue: MakeQueue) -> Any:
    """Makes the cloud, and what the queue's options require."""

    def make(**options: str) -> tuple[Cloud, Requirements]:
        given = {
            "CloudType": "OPENSTACK",
            "Driver_ex_force_auth_url": stack.url,
            "Driver_ex_tenant_name": "project",
            "Driver_ex_force_service_region": "RegionOne",
            "Instance_Image": IMAGE,
            "Instance_Flavor": FLAVOR,
            "Instance_Networks": "name:net",
            "Terraform_MaxRetries": "0",
        }
        queue = make_queue(**given | options)
        return connect(queue.endpoint, Credentials("user", "secret")), Requirements.of(queue)

    return make


def check(cloud: Cloud, required: Requirements, name: str) -> Check:
    (found,) = [one for one in cloud.preflight(required) if one.check == name]
    return found


@pytest.mark.parametrize("name", ["debian", EGI, "a,b", 'with "quotes"', "back\\slash", "in:", "ü & 1=2"])
def test_an_image_is_found_whatever_its_name(stack: SmallStack, reach: Any, name: str) -> None:
    stack.images = [image("1", name), image("2", "other")]
    cloud, required = reach(Instance_Image=f"name:{name}")
    assert cloud.find("image", name) == ["1"]
    found = check(cloud, required, "image")
    assert found.ok and found.detail.endswith("is 1")


def test_a_glance_without_operators_is_asked_for_all(stack: SmallStack, reach: Any) -> None:
    stack.images, stack.operators = [image("1", EGI)], ()
    assert reach()[0].find("image", EGI) == ["1"]


@pytest.mark.parametrize("state", ["queued", "deactivated", "killed"])
def test_a_twin_that_cannot_boot_blocks_none_that_can(stack: SmallStack, reach: Any, state: str) -> None:
    stack.images = [image("1", "debian", status=state), image("2", "debian")]
    cloud, required = reach(Instance_Image="name:debian")
    assert cloud.find("image", "debian") == ["2"] and check(cloud, required, "image").ok
    stack.images.pop()
    found = check(cloud, required, "image")
    assert not found.ok and state in found.detail


@pytest.mark.parametrize(
    "more", [{"visibility": "community"}, {"os_hidden": True}, {"visibility": "shared", "pending": True}]
)
def test_an_image_that_lists_do_not_show_is_there_by_its_id(stack: SmallStack, reach: Any, more: Any) -> None:
    stack.images = [image("1", "debian", **more)]
    cloud, required = reach(Instance_Image="1")
    assert check(cloud, required, "image").ok


def test_a_hidden_image_is_found_by_name_and_one_that_others_publish_is_named_only(
    stack: SmallStack, reach: Any
) -> None:
    stack.images = [image("1", "debian", os_hidden=True), image("2", "debian", visibility="community")]
    cloud, required = reach(Instance_Image="name:debian")
    assert cloud.find("image", "debian") == ["1"] and check(cloud, required, "image").ok
    stack.images.pop(0)
    assert cloud.find("image", "debian") == []
    found = check(cloud, required, "image")
    assert not found.ok and "others publish: 2" in found.detail and "trust" in found.cure


def test_pages_end_where_there_is_no_next_one(stack: SmallStack, reach: Any) -> None:
    stack.page = 3
    stack.images = [image(f"i{n}", f"image {n}") for n in range(8)]
    stack.flavors = [flavor(f"f{n}", f"flavor {n}") for n in range(8)]
    stack.networks = [{"id": f"n{n}", "name": f"net {n}", "subnets": ["s"]} for n in range(8)]
    cloud, required = reach(
        Instance_Image="name:image 7", Instance_Flavor="name:flavor 7", Instance_Networks="name:net 7"
    )
    assert [
        cloud.find(kind, f"{name} 7")
        for kind, name in (("image", "image"), ("flavor", "flavor"), ("network", "net"))
    ] == [["i7"], ["f7"], ["n7"]]
    assert every(check(cloud, required, name).ok for name in ("image", "flavor", "network"))
    cloud, required = reach(Instance_Flavor="name:flavour 7")
    assert "name:flavor 7" in check(cloud, required, "flavor").cure


def test_a_flavor_without_a_disk_wants_a_root_volume(stack: SmallStack, reach: Any) -> None:
    stack.flavors = [flavor(FLAVOR, "small", disk=0)]
    cloud, required = reach()
    found = check(cloud, required, "size")
    assert not found.ok and "Terraform_RootVolume" in found.cure
    shape = Shape(owner=Owner("i", "c", "q"), name_prefix="tfce-", image=IMAGE, flavor=FLAVOR)
    with pytest.raises(CloudError, match="set Terraform_RootVolume"):
        cloud.create(shape, "0000000A", "")
    cloud, required = reach(Terraform_RootVolume="10")
    assert check(cloud, required, "size").ok


@pytest.mark.parametrize(
    ("service", "given", "used"),
    [
        ("network", "http://c:9696", "http://c:9696"),
        ("network", "http://c:9696/v2.0/", "http://c:9696"),
        ("image", "http://c/image/v2", "http://c/image"),
        ("compute", "http://c:8774/v2.1", "http://c:8774/v2.1"),
        ("compute", "http://c:8774/v2.1/4711abc", "http://c:8774/v2.1/4711abc"),
        ("compute", "http://c:8774/v2/4711abc/", "http://c:8774/v2/4711abc"),
        ("compute", "http://c:8774/", "http://c:8774/v2.1"),
        ("compute", "http://c/compute", "http://c/compute/v2.1"),
    ],
)
def test_a_catalogs_urls_are_made_to_fit(service: str, given: str, used: str) -> None:
    assert fitting(service, given) == used


def test_a_catalog_with_versions_everywhere_works(stack: SmallStack, reach: Any) -> None:
    stack.endpoints = {"compute": "", "image": "/v2", "network": "/v2.0"}
    cloud, required = reach(Instance_Image="name:debian", Instance_Flavor="name:small")
    assert cloud.find("image", "debian") == [IMAGE] and cloud.find("network", "net")
    assert every(check(cloud, required, name).ok for name in ("image", "flavor", "network"))


def test_urls_that_options_force_win_over_the_catalog_each_for_its_service(stack: SmallStack, reach: Any) -> None:
    stack.endpoints = {"compute": "/v2.1", "image": "http://127.0.0.1:9", "network": ""}
    cloud, _ = reach(Driver_ex_force_image_url=f"{stack.url}/v2")
    assert cloud.find("image", "debian") == [IMAGE] and cloud.find("network", "net")
    stack.endpoints = {"compute": "http://127.0.0.1:9", "image": "", "network": "http://127.0.0.1:9"}
    cloud, _ = reach(Driver_ex_force_base_url=f"{stack.url}/v2.1", Driver_ex_force_network_url=stack.url)
    assert (
        cloud.find("flavor", "small") == [FLAVOR]
        and cloud.find("network", "net")
        and cloud.find("image", "debian")
    )


def test_a_catalog_that_leads_astray_is_said_with_a_cure(stack: SmallStack, reach: Any) -> None:
    stack.endpoints = {"compute": "/elsewhere", "image": "/nowhere", "network": ""}
    with pytest.raises(CloudError, match="set Driver_ex_force_image_url"):
        reach()[0].find("image", "debian")
    with pytest.raises(CloudError, match="set Driver_ex_force_base_url"):
        reach()[0].vms(Owner("i", "c", "q"))


@pytest.mark.parametrize("tail", ["", "/", "/v3", "/v3/", "/v3/auth/tokens", "/auth/tokens/"])
def test_an_auth_url_in_any_of_its_spellings(stack: SmallStack, reach: Any, tail: str) -> None:
    driver = {"ex_force_auth_url": f"https://keystone:5000{tail}"}
    assert (auth_url(driver), libcloud_auth_url(driver)) == ("https://keystone:5000/v3", "https://keystone:5000")
    assert reach(Driver_ex_force_auth_url=f"{stack.url}{tail}")[0].find("image", "debian") == [IMAGE]


@pytest.mark.parametrize(
    "change", [{"ram": None}, {"ram": "much"}, {"vcpus": -1}, {"disk": True}, {"ram": 10**30}, {"name": ["a"]}]
)
def test_an_odd_flavor_is_said_and_stops_no_other_check(stack: SmallStack, reach: Any, change: Any) -> None:
    stack.flavors = [{**flavor(FLAVOR, "small"), **change}]
    cloud, required = reach()
    checks = cloud.preflight(required)
    assert {one.check for one in checks} >= {"flavor", "quota", "clock"}
    assert change == {"ram": None} or "its " in check(cloud, required, "flavor").detail


def test_a_login_that_may_not_ask_for_its_limits_starts_pilots_all_the_same(stack: SmallStack, reach: Any) -> None:
    stack.forbidden = {"limits"}
    cloud, required = reach()
    checks = {one.check: one for one in cloud.preflight(required)}
    assert checks["quota"].ok and "does not tell" in checks["quota"].detail
    assert checks["clock"].ok and [one for one in checks.values() if not one.ok] == []


def test_what_the_cloud_calls_its_things_moves_no_terminal(stack: SmallStack, reach: Any) -> None:
    stack.flavors = [flavor("1", "evil\x1b[2J\nname"), flavor("2", "other")]
    stack.images = [image("3", "\u202ebad"), {**image("4", "odd"), "size": "large"}]
    cloud, required = reach(Instance_Flavor="name:none", Instance_Image="name:none")
    shown = "".join(one.detail + one.cure for one in cloud.preflight(required))
    assert "evil name" in shown and "name:?bad" in shown and shown.isprintable() and "odd" not in shown


def test_the_newest_image_of_a_pattern(stack: SmallStack, reach: Any) -> None:
    stack.images = [
        image("1", "debian-12-a", created_at="2026-01-01T00:00:00Z"),
        image("2", "debian-12-b", created_at="2026-02-01T00:00:00Z"),
        image("3", "debian-12-c", created_at="2026-03-01T00:00:00Z", visibility="community"),
        image("4", "debian-12-d", created_at="2026-03-01T00:00:00Z", status="queued"),
        image("5", "debian-13-a", created_at="2026-03-01T00:00:00Z"),
        image("6", "debian-12-e", created_at="2026-03-01T00:00:00Z", visibility="private"),
    ]
    cloud, required = reach(Instance_Image="newest:debian-12-?", Terraform_ImageVisibility="public")
    found = cloud.images(required.shape.image, (), required.shape.image_visibility)
    assert sorted(one.id for one in found) == ["1", "2"]
    told = check(cloud, required, "image")
    assert told.ok and told.detail == "newest:debian-12-? is 2 (debian-12-b, made 2026-02-01)"
    cloud, required = reach(Instance_Image="newest:debian-12-?")
    assert "is 6 " in check(cloud, required, "image").detail
    cloud, required = reach(Instance_Image="newest:plan9-*")
    assert not check(cloud, required, "image").ok


def test_an_image_that_its_owner_hides_is_named(stack: SmallStack, reach: Any) -> None:
    stack.images = [image("1", "debian", os_hidden=True)]
    cloud, required = reach(Instance_Image="name:debian")
    told = check(cloud, required, "image")
    assert told.ok and "is hidden: its owner has a newer one" in told.detail and "newest:PATTERN" in told.cure
