"""What DIRAC is told where Terraform does not get through to the provider that the element's process serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dirac.conftest import Site
from tests.fakes import Sky
from tests.rigs import mirror
from tests.rigs.smallstack import FLAVOR, IMAGE, NETWORK, SmallStack
from tests.rigs.sockets import UNREACHABLE, Hinder, hindered, slow, trickling


@pytest.fixture
def cloud() -> Iterator[SmallStack]:
    with SmallStack() as made:
        yield made


@pytest.fixture
def element(cloud: SmallStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An element with nothing faked but the cloud."""
    monkeypatch.setenv("TFCE_PROVIDER_MIRROR", str(mirror.ensure()))
    login = {
        "CloudType": "OPENSTACK",
        "Driver_ex_force_auth_url": cloud.url,
        "Driver_ex_tenant_name": "project",
        "Driver_ex_force_service_region": "RegionOne",
    }
    named = {"Instance_Image": IMAGE, "Instance_Flavor": FLAVOR, "Instance_Networks": NETWORK}
    site = Site(tmp_path, Sky())
    terraform = {"Terraform_Module": "bulk", "Terraform_MaxRetries": "0", "Terraform_Timeout": "60"}
    made = site.element(**login, **named, **terraform)
    made.wrapper = site.wrapper
    assert made.isValid()["OK"]
    return made


def submitted(element: Any, hinder: Hinder | None) -> dict[str, Any]:
    """What a submission answers whose provider is hindered."""
    if hinder is not None:
        element._fleet()
        element._parts.terraform._attach = lambda run: hindered(run, hinder)
    answer: dict[str, Any] = element.submitJob(element.wrapper, "", 1)
    element._reset()  # the next one is not
    return answer


def assert_goes_on(element: Any, cloud: SmallStack) -> None:
    """The next cycle starts a pilot, which is the only one."""
    answer = submitted(element, None)
    assert answer["OK"] and len(answer["Value"]) == len(cloud.living()) == 1, answer
    assert element.getCEStatus()["RunningJobs"] == 1


@pytest.mark.parametrize("hinder", UNREACHABLE)
def test_a_provider_that_cannot_be_reached_is_one_line_with_its_cure(
    element: Any, cloud: SmallStack, hinder: Hinder
) -> None:
    answer = submitted(element, hinder)
    assert not answer["OK"] and not cloud.living()
    said = answer["Message"]
    assert "Terraform did not get through to the provider that tfce serves: " in said and "TMPDIR" in said
    assert said.startswith(element.label) and "\n" not in said and "unexpected" not in said
    assert_goes_on(element, cloud)


def test_a_provider_that_never_gets_to_the_point_is_a_timeout(element: Any, cloud: SmallStack) -> None:
    assert element.submitJob(element.wrapper, "", 1)["OK"]
    element.setParameters({"Terraform_Timeout": "3"})
    answer = submitted(element, trickling)
    assert not answer["OK"] and len(cloud.living()) == 1
    assert "Terraform_Timeout = 3: Terraform timed out" in answer["Message"]
    assert "raise Terraform_Timeout" in answer["Message"] and "\n" not in answer["Message"]


def test_a_provider_that_answers_slowly_is_waited_for(element: Any, cloud: SmallStack) -> None:
    answer = submitted(element, slow)
    assert answer["OK"] and len(answer["Value"]) == len(cloud.living()) == 1
