"""DriftPlace shape, approval, options and cloud say different things."""

from __future__ import annotations

from dataclasses import replace

from tests.contract.edges import WRAPPER, FakeEdge
from tests.contract.test_review import Site
from tfce.model.vm_spec import VMSpec
from tfce.pilots.drift import Drift, DriftPlace


def told(found: list[Drift]) -> list[tuple[DriftPlace, bool]]:
    return [(one.where, one.alert) for one in found]


def dress(edge: FakeEdge, index: int, **facts: object) -> None:
    """Let the cloud show other facts of a VM."""
    node = edge.sky.living()[index]
    edge.sky.vms[node.id] = replace(edge.sky.vms[node.id], **facts)  # type: ignore[arg-type]


def test_nothing_drifts_where_all_say_the_same(edge: FakeEdge) -> None:
    assert edge.parts().fleet.drift() == []
    edge.parts().fleet.submit(WRAPPER, 2)
    assert edge.parts().fleet.drift() == []


def test_a_vm_that_somebody_resized_is_an_alert_and_one_of_an_older_shape_is_not(edge: FakeEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 2)
    dress(edge, 0, spec=VMSpec("ami-1", "t3.micro"))
    assert edge.parts().fleet.drift() == []
    dress(edge, 1, spec=VMSpec("ami-1", "x1.32xlarge"))
    (found,) = edge.parts().fleet.drift()
    assert found.where is DriftPlace.CLOUD and found.alert and "x1.32xlarge instead of t3.micro" in found.text
    dress(edge, 1, spec=VMSpec("ami-1", "t3.micro"))
    later = edge.parts(Instance_Flavor="m5.large").fleet
    found = next(one for one in later.drift() if one.where is DriftPlace.OLDER)
    assert not found.alert and "2 running VMs have flavor t3.micro, new ones m5.large" in found.text


def test_groups_that_nobody_named_are_an_alert(edge: FakeEdge) -> None:
    options = {"Terraform_SecurityGroups": "sg-1, name:pilots"}
    edge.parts(**options).fleet.submit(WRAPPER, 1)
    dress(edge, 0, groups=(("sg-1", "one"), ("sg-2", "pilots")))
    assert edge.parts(**options).fleet.drift() == []
    dress(edge, 0, groups=(("sg-1", "one"), ("sg-9", "open-to-all")))
    (found,) = edge.parts(**options).fleet.drift()
    assert found.alert and "open-to-all beside its own and not the security groups pilots" in found.text


def test_terraforms_variables_that_somebody_edited_are_an_alert(edge: FakeEdge) -> None:
    parts = edge.parts()
    parts.fleet.submit(WRAPPER, 1)
    path = parts.workspace.private / "queue.auto.tfvars"
    path.write_text(path.read_text().replace("t3.micro", "t3.large"))
    (found,) = edge.parts().fleet.drift()
    assert (found.where, found.alert) == (DriftPlace.PRIVATE, True) and "differ in flavor" in found.text
    path.write_text("flavor = var.x\n")
    (found,) = edge.parts().fleet.drift()
    assert found.where is DriftPlace.PRIVATE


def test_what_waits_for_approval_is_an_alert(edge: FakeEdge) -> None:
    site = Site(edge)
    assert told(site.parts().fleet.drift()) == [(DriftPlace.APPROVAL, True)]
    site.approve()
    site.parts().fleet.submit(WRAPPER, 1)
    assert site.parts().fleet.drift() == []
    (found,) = site.parts(Instance_Flavor="m5.large").fleet.drift()
    assert found.where is DriftPlace.APPROVAL and "m5.large is asked for, t3.micro is approved" in found.text
