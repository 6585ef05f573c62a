"""The element with nothing faked: real Terraform, real libcloud, an EC2 emulator, DIRAC's SiteDirector."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.dirac.conftest import Site
from tests.dirac.director import Director, load
from tests.dirac.test_proxies import Issuer
from tests.fakes import Sky
from tests.rigs import mirror
from tests.rigs.localstack import Moto
from tests.site import vms_of

CHECKS = {"MOTO_ENABLE_AMI_VALIDATION": "1", "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "1"}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Moto]:
    with Moto(settings=CHECKS) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def image(emulator: Moto) -> str:
    answer = emulator.call("DescribeImages", **{"Owner.1": "amazon"})
    return answer.findtext("imagesSet/item/imageId", "")


@pytest.fixture(params=["bulk", "native"])
def options(
    request: pytest.FixtureRequest, emulator: Moto, image: str, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    monkeypatch.setenv("TFCE_PROVIDER_MIRROR", str(mirror.ensure()))
    return {
        "Terraform_Module": request.param,
        "Driver_region": "us-east-1",
        "Driver_host": "127.0.0.1",
        "Driver_port": str(emulator.port),
        "Driver_secure": "False",
        "Instance_Image": image,
        "Terraform_MaxRetries": "1",
        "Workspace_LockTimeout": "60",
    }


@pytest.fixture
def real(tmp_path: Path) -> Site:
    """A site whose elements reach the emulator."""
    return Site(tmp_path, Sky())


def test_a_whole_life_under_site_director(
    real: Site,
    options: dict[str, str],
    emulator: Moto,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"CLOUD.E{uuid4().hex[:8]}.org"
    issuer = Issuer(tmp_path_factory.mktemp("x509") / "ca")
    director = Director(name, tmp_path, issuer, monkeypatch)
    given = {k: v for k, v in real.options(**options).items() if k != "Queue"}
    queue = {"maxCPUTime": "1440", "SI00": "2400"}
    element = {"CEType": "Terraform", "VO": "dteam", "QueryCEFlag": "True", **given, "Queues": {"long": queue}}
    load(tmp_path, name, {"cloud.emulator.org": element})
    director.matcher.jobs = 2
    states = director.cycle()
    assert len(states) == 2 and set(states.values()) == {"Running"}
    stamps = {row["PilotStamp"] for row in director.pilots.rows.values()}
    mine = [tags for _, tags in vms_of(emulator).values() if tags.get("tfce:ce") == "cloud.emulator.org"]
    assert {tags["tfce:key"] for tags in mine} == stamps
    director.matcher.jobs = 0
    stopped, killed = states
    emulator.call("StopInstances", **{"InstanceId.1": stopped.removeprefix("cloud://")})
    states = director.cycle()
    states = director.cycle()
    assert states[stopped] == "Done" and states[killed] == "Running"
    elsewhere = real.element(ce="cloud.emulator.org", **options, Workspace_Root=str(tmp_path / "elsewhere"))
    assert elsewhere.killJob([killed])["OK"]
    assert director.cycle()[killed] == "Deleted"
    assert director.element("cloud.emulator.org_long").getCEStatus()["RunningJobs"] == 0


def test_a_clouds_refusal_reaches_the_answer(real: Site, options: dict[str, str]) -> None:
    element = real.element(ce="refused.emulator.org", **{**options, "Instance_Image": "ami-00000000"})
    result = element.submitJob(real.wrapper, "", 2)
    assert not result["OK"]
    assert "refused.emulator.org/long: image: 2 of 2 failed" in result["Message"]
    assert element.getCEStatus()["RunningJobs"] == 0
