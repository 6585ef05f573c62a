"""Every libcloud driver: what it can do, the table of it, and a cloud that has nothing but names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from libcloud.compute.providers import DRIVERS

from tests import drivers
from tests.claims import every
from tests.e2e.moto.filecloud import FileNodeDriver
from tests.rigs.clouds.base import Answer, Ask, RestCloud
from tests.site import WRAPPER, AnySite, Result
from tfce.cloud.factory import connect
from tfce.cloud.generic.signature import driver_class, login_of, signature_of, takes_a_token
from tfce.cloud.shape import Shape
from tfce.config.clouds import kind_of, others
from tfce.config.credentials import Credentials
from tfce.config.options import Queue, parse
from tfce.model.errors import CloudError, ConfigError
from tfce.model.vm import Owner, State

FILES = "tests.e2e.moto.filecloud.FileNodeDriver"
MUTE = "tests.e2e.moto.filecloud.MuteNodeDriver"
OWNER = Owner("site", "cloud.example.org", "long")
KEY = "0A1B2C3D"
OWN_NAMES = [name for name in DRIVERS if "." not in name]  # others were registered by tests


def queue(cloud: str, **more: str) -> Queue:
    options = {"CloudType": cloud, "Instance_Image": "img-1", "Instance_Flavor": "small", **more}
    return parse("cloud.example.org", "long", options, Path("/none"), Path("/none"))


def test_the_options_know_exactly_libclouds_drivers() -> None:
    known = {name.upper() for name in OWN_NAMES}
    assert others.NAMES | {"EC2", "OPENSTACK"} == known


def test_the_table_is_up_to_date() -> None:
    assert drivers.PAGE.read_text() == drivers.page(), "run: python -m tests.drivers --write"


def test_abilities_are_those_of_the_class() -> None:
    assert signature_of(driver_class("CLOUDSTACK")).user_data == "ex_userdata"
    assert signature_of(driver_class("GCE")).user_data == "ex_metadata"
    assert signature_of(driver_class("DIGITALOCEAN")).user_data == "ex_user_data"  # a class chosen by API version
    assert signature_of(driver_class("EUCALYPTUS")).bulk and not signature_of(driver_class("VULTR")).bulk
    assert signature_of(FileNodeDriver).refusal == ""


def test_a_login_is_what_the_class_takes() -> None:
    logins = {
        "CLOUDSTACK": {"key": "k", "secret": "s"},
        "GCE": {"user_id": "k", "key": "s"},
        "DIGITALOCEAN": {"key": "s"},
        "OUTSCALE": {"key": "k", "secret": "s"},
        FILES: {"key": "k", "secret": "s"},
    }
    assert {name: login_of(driver_class(name), "k", "s") for name in logins} == logins


def test_the_options_know_whose_login_is_a_token() -> None:
    classes = {name.upper(): driver_class(name) for name in OWN_NAMES}
    able = [name for name, cls in classes.items() if not signature_of(cls).refusal]
    tokens = {name for name in able if takes_a_token(classes[name])}
    assert len(tokens) >= 4 and {name for name in able if not kind_of(name).capabilities.key} == tokens


@pytest.mark.parametrize(
    ("cloud", "why"),
    [
        ("DUMMY", "cannot pass user data"),
        (MUTE, "cannot pass user data"),
        ("LIBVIRT", "cannot create VMs"),
        ("OUTSCALE", "takes no size when it creates a VM"),
        ("tests.e2e.moto.filecloud.Nothing", "Nothing"),
        ("tests.e2e.moto.nowhere.Driver", "cannot be imported"),
    ],
)
def test_a_driver_that_starts_no_pilots_is_refused_with_the_reason(cloud: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        connect(queue(cloud).endpoint, Credentials("k", "s"))
    assert caught.value.faults[0].option == "CloudType" and caught.value.faults[0].cure


def test_a_driver_that_is_called_broken_still_is() -> None:
    """Once libcloud has mended it, it is to be run like the others."""

    class Open(RestCloud):
        def serve(self, ask: Ask) -> Answer:
            return 200, {"access_token": "token"} if ask.path == "/token" else []

    assert "cannot log in" in signature_of(driver_class("BRIGHTBOX")).refusal
    with Open() as cloud, pytest.raises(AttributeError, match="status"):
        driver_class("BRIGHTBOX")("k", "s", secure=False, host="127.0.0.1", port=cloud.port).list_nodes()


def test_names_tell_whose_a_vm_is(tmp_path: Path) -> None:
    cloud = connect(queue(FILES).endpoint, Credentials(str(tmp_path), "s"))
    others = (Owner("other", OWNER.ce, OWNER.queue), Owner("site", OWNER.ce, "short"), Owner("site", "ce", "long"))
    ids = [cloud.create(Shape(owner, "tfce-", "img-1", "small"), KEY, "data") for owner in (OWNER, *others)]
    FileNodeDriver(str(tmp_path)).create_node(f"tfce-{KEY.lower()}", *_small(tmp_path))
    found = cloud.vms(OWNER)
    assert {node.id for node in found} == set(ids[:2])  # the queue's, whichever installation made them
    assert [node.id for node in found if OWNER.owns(node)] == ids[:1]
    assert found[0].tags["tfce:key"] == KEY and found[0].state is State.RUNNING


def _small(folder: Path) -> tuple[object, object]:
    driver = FileNodeDriver(str(folder))
    return driver.list_sizes()[0], driver.list_images()[0]


def test_only_what_was_asked_for_is_removed(tmp_path: Path) -> None:
    cloud = connect(queue(FILES).endpoint, Credentials(str(tmp_path), "s"))
    ids = [cloud.create(Shape(OWNER, "tfce-", "img-1", "small"), f"0000000{n}", "data") for n in range(3)]
    refused = cloud.destroy([ids[1], "file-unknown"])
    assert list(refused) == ["file-unknown"] and "not listed now" in refused["file-unknown"]
    assert {node.id for node in cloud.vms(OWNER)} == {ids[0], ids[2]}
    assert cloud.vm(ids[1]) is None and cloud.vm(ids[0]) is not None


def test_a_class_that_takes_whatever_it_is_given_gets_user_data_as_from_cloudce(tmp_path: Path) -> None:
    cloud = connect(queue("tests.e2e.moto.filecloud.AnythingNodeDriver").endpoint, Credentials(str(tmp_path), "s"))
    cloud.create(Shape(OWNER, "tfce-", "img-1", "small"), KEY, "data")
    (made,) = tmp_path.glob("*.vm")
    assert json.loads(made.read_text())["data"] == "data"


@pytest.mark.parametrize("at_once", [True, False])
def test_a_class_that_ends_the_process_is_a_cloud_that_fails(tmp_path: Path, at_once: bool) -> None:
    if at_once:
        (tmp_path / "refuse").touch()
    cloud = connect(queue("tests.e2e.moto.filecloud.ExitNodeDriver").endpoint, Credentials(str(tmp_path), "s"))
    with pytest.raises(CloudError, match="SystemExit"):
        cloud.vms(OWNER)
    with pytest.raises(CloudError, match="SystemExit"):
        cloud.create(Shape(OWNER, "tfce-", "img-1", "small"), KEY, "data")


def test_many_are_removed_side_by_side_and_one_refusal_stops_no_other(tmp_path: Path) -> None:
    cloud = connect(queue(FILES).endpoint, Credentials(str(tmp_path), "s"))
    ids = [cloud.create(Shape(OWNER, "tfce-", "img-1", "small"), f"000000{n:02X}", "data") for n in range(12)]
    (tmp_path / "keep").write_text(ids[3])
    refused = cloud.destroy(ids)
    assert list(refused) == [ids[3]] and [vm.id for vm in cloud.vms(OWNER)] == [ids[3]]
    assert cloud.calls["destroy_node"] == 12


def test_what_the_driver_does_not_take_is_said(tmp_path: Path) -> None:
    cloud = connect(queue(FILES).endpoint, Credentials(str(tmp_path), "s"))
    shape = Shape(OWNER, "tfce-", "img-1", "small", security_groups=("sg-1",))
    with pytest.raises(Exception, match="Terraform_SecurityGroups"):
        cloud.create(shape, KEY, "data")


class FileSite(AnySite):
    """A queue on the cloud of files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ce, self.queue = folder, "files.example.org", "long"
        self.options: dict[str, str] = {}
        self.vms = folder / "vms"
        self.vms.mkdir(parents=True)
        self.__post_init__()

    def login(self) -> tuple[str, str]:
        return str(self.vms), "no-secret"

    def defaults(self) -> dict[str, str]:
        return {"CloudType": FILES, "Instance_Image": "name:image 2", "Instance_Flavor": "name:the small one"}

    def mirror(self) -> Path:
        return self.folder

    def environment(self) -> dict[str, str]:
        here = str(Path(__file__).resolve().parents[3])
        return super().environment() | {"PYTHONPATH": here}

    def facts(self) -> list[dict[str, str]]:
        return [json.loads(path.read_text()) for path in sorted(self.vms.glob("*.vm"))]

    def stop(self, reference: str) -> None:
        """The VM switches itself off."""
        path = self.vms / f"{reference.removeprefix('cloud://file-')}.vm"
        path.write_text(path.read_text().replace('"running"', '"stopped"'))


@pytest.fixture
def files(tmp_path: Path) -> FileSite:
    return FileSite(tmp_path / "site")


def test_the_main_job_on_a_driver_class_of_ones_own(files: FileSite) -> None:
    submitted: Result = files.submit(3)
    assert submitted.code == 0, submitted.out + submitted.err
    facts = files.facts()
    assert len(facts) == 3 and {fact["image"] for fact in facts} == {"img-2"}
    assert every(fact["data"] for fact in facts) and WRAPPER not in submitted.out
    assert submitted.json["calls"]["create_node"] == 3
    assert {pilot["state"] for pilot in files.status()} == {"Running"}
    assert files.run("plan", files.name).code == 0
    first = submitted.json["references"][0]
    files.stop(first)
    reaped = files.run("reap", files.name, "--json")
    assert [removed["reference"] for removed in reaped.json["removed"]] == [first]
    assert len(files.facts()) == 2 and files.audit()["mismatches"] == 0
    (files.vms / "refuse").write_text("Quota exceeded for cores")
    refused = files.submit(1)
    assert refused.code == 1 and "Quota exceeded for cores" in refused.json["failed"][0]["reason"]
    assert files.audit()["mismatches"] == 0
    checks = {check["check"]: check["ok"] for check in files.run("doctor", files.name, "--json").json["checks"]}
    assert checks["cloud"] and checks["image"] and checks["flavor"] and checks["provider"]
