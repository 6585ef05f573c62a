"""Which pilots a drain means, and that nothing but an operator ends it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.contract.edges import WRAPPER, FakeEdge
from tfce.model.drain import Drain
from tfce.model.reasons import Kind, Reason
from tfce.model.vm import State
from tfce.model.vm_spec import VMSpec

OLD, NEW = "ami-1", "ami-2"
HOUR = timedelta(hours=1)


def test_a_drained_image_is_not_started_and_another_is(edge: FakeEdge) -> None:
    old = edge.parts().fleet.submit(WRAPPER, 2).references
    edge.parts().fleet.drain(Drain(edge.now(), image=OLD, deadline=edge.now() + HOUR))
    assert edge.parts().fleet.submit(WRAPPER, 1).references == []
    new = edge.parts(Instance_Image=NEW).fleet.submit(WRAPPER, 1).references
    assert len(new) == 1
    edge.advance(3601)
    removed = edge.parts(Instance_Image=NEW).fleet.reap().removed
    assert {one.reference for one in removed} == set(old)


def test_an_image_found_by_name_is_known_by_its_id(edge: FakeEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 1)
    edge.parts().fleet.drain(Drain(edge.now(), image="debian"))  # the fake's ids are its names
    assert edge.parts(Instance_Image="name:debian").fleet.submit(WRAPPER, 1).references == []
    assert len(edge.parts(Instance_Image="name:alma").fleet.submit(WRAPPER, 1).references) == 1


def test_the_deadline_ends_only_those_that_were_old(edge: FakeEdge) -> None:
    old = edge.parts().fleet.submit(WRAPPER, 1).references
    edge.advance(7200)
    edge.parts().fleet.submit(WRAPPER, 1)
    edge.parts().fleet.drain(Drain(edge.now(), older_than=3600, deadline=edge.now()))
    edge.advance(1)
    assert [one.reference for one in edge.parts().fleet.reap().removed] == old


def test_a_deadline_passes_by_no_clock_that_is_wrong(edge: FakeEdge) -> None:
    parts = edge.parts()
    parts.fleet.submit(WRAPPER, 1)
    parts.fleet.drain(Drain(edge.now(), deadline=edge.now() + HOUR))
    true, vms = edge.now(), type(parts.cloud).vms

    class Told(type(parts.cloud)):  # type: ignore[misc]
        def vms(self, owner: object) -> object:
            found = vms(self, owner)  # type: ignore[arg-type]
            found.cloud_time = true
            return found

    edge.advance(86400)
    parts.fleet._services.__dict__["cloud"].__class__ = Told
    assert parts.fleet.reap().removed == []


def test_strangers_and_other_queues_are_not_meant(edge: FakeEdge) -> None:
    edge.parts("short").fleet.submit(WRAPPER, 1)
    stranger = edge.add({"Name": "tfce-0A1B2C3D"})
    edge.parts().fleet.submit(WRAPPER, 1)
    edge.parts().fleet.drain(Drain(edge.now(), deadline=edge.now()))
    assert len(edge.parts().fleet.reap().removed) == 1
    assert len(edge.living()) == 2 and stranger in edge.living()


def test_what_is_held_is_told_without_a_call(edge: FakeEdge) -> None:
    parts = edge.parts()
    assert parts.fleet.held() is None
    parts.fleet.drain(Drain(edge.now(), image=OLD))
    parts.cloud.calls.clear()
    hold = edge.parts().fleet.held()
    assert hold is not None and hold.firm and hold.most == 0 and f"of image {OLD}" in hold.text
    assert not parts.cloud.calls


def test_what_the_cloud_says_of_a_vm_goes_into_the_record(edge: FakeEdge) -> None:
    parts = edge.parts(Terraform_AvailabilityZone="us-east-1a", Instance_Image="name:debian")
    reference = parts.fleet.submit(WRAPPER, 1).references[0]
    (pilot,) = parts.workspace.load().pilots.values()
    assert pilot.spec == VMSpec("name:debian", "t3.micro", "us-east-1a", "")
    node = reference.removeprefix("cloud://")
    edge.sky.vms[node] = replace(
        edge.sky.vms[node], spec=VMSpec("ami-7", "t3.micro", "us-east-1b", "subnet-1", "h")
    )
    (seen,) = parts.fleet.status()
    assert seen.spec == edge.sky.vms[node].spec
    broken = edge.sky.add("x", {**edge.sky.vms[node].tags, "tfce:key": "0A1B2C3D"}, state=State.FAILED)
    edge.sky.vms[broken.id] = replace(broken, fault=Reason(Kind.CAPACITY, "none"))
    parts.fleet.reap()
    (pilot,) = parts.workspace.load().pilots.values()
    assert pilot.spec == VMSpec("ami-7", "t3.micro", "us-east-1a", "", "h")  # places keep their names
