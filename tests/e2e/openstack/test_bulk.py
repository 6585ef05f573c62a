"""The default module on a real OpenStack: one request for all VMs of a submission, which nobody waits for."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from tests.checking import consistent, kill_9, until
from tests.claims import every, subset
from tests.e2e.openstack.cloud import OpenStackSite, made_of_many_options, many_options, node
from tests.e2e.openstack.conftest import NewSite
from tests.e2e.openstack.rig import Rig


@pytest.fixture
def bulk(new_site: NewSite) -> OpenStackSite:
    """A site in the project demo, served in bulk."""
    return new_site(Terraform_Module="bulk")


def up(site: OpenStackSite) -> None:
    """Wait until no VM of the site's is built any more."""
    until(lambda: all(s["status"] != "BUILD" for s in site.servers().values()), "the VMs are built", pause=0.5)


@pytest.mark.rig("it counts the requests that arrive")
@pytest.mark.takes("front")
def test_five_pilots_are_one_request(bulk: OpenStackSite, rig: Rig) -> None:
    bulk.through_front()
    bulk.submit(1)
    with rig.counted() as asked:
        submitted = bulk.submit(5)
    assert submitted.code == 0, submitted.err
    result = submitted.json
    looked_up = {"GET /images": 1, "GET /flavors/detail": 1, "GET /networks": 1}
    # one look after, for their ids
    # Terraform starts the provider for its plan and for its apply: they share a login
    expected = {"POST /auth/tokens": 1, **looked_up, "GET /servers/detail": 1, "POST /servers": 1}
    assert Counter(result["calls"]) == asked == expected
    keys = {f"cloud://{node_id}": tags["tfce:key"] for node_id, (_, tags) in bulk.instances().items()}
    assert len(result["stamps"]) == 5 and result["stamps"].items() <= keys.items()
    up(bulk)
    assert {pilot["state"] for pilot in bulk.status()} == {"Running"}
    assert len({server["name"] for server in bulk.servers().values()}) == 6
    consistent(bulk, 6)

    first, second, *_ = result["references"]
    bulk.power_off(first)
    assert {p["reference"]: p["state"] for p in bulk.status()}[first] == "Done"
    reaped = bulk.run("reap", bulk.name, "--json").json
    assert [removed["reference"] for removed in reaped["removed"]] == [first] and reaped["kept"] == 5
    assert bulk.run("kill", bulk.name, second).code == 0
    until(lambda: len(bulk.instances()) == 4, "two VMs are gone")
    consistent(bulk, 4)


@pytest.mark.rig("it needs a quota of two VMs")
@pytest.mark.takes("tiny")
def test_a_quota_grants_a_part_of_a_batch(tiny: OpenStackSite) -> None:
    tiny.configure(Terraform_Module="bulk")
    result = tiny.submit(3)
    assert result.code == 1 and len(result.json["references"]) == 2, result.out
    (failed,) = result.json["failed"]
    assert "granted 2 of 3" in failed["reason"]
    assert result.json["calls"]["POST /servers"] <= math.log2(3) + 2
    up(tiny)
    consistent(tiny, 2)
    full = tiny.submit(2)
    assert full.code == 1 and not full.json["references"]
    assert every("Quota exceeded for instances" in one["reason"] for one in full.json["failed"])
    consistent(tiny, 2)


@pytest.mark.rig("its builds fail on purpose")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"Terraform_Tags": "rig_fault=no more room on this host"}, "no more room on this host"),
        ({"Instance_Flavor": "name:m1.toobig"}, "No valid host was found"),
    ],
)
def test_accepted_and_then_failed(bulk: OpenStackSite, options: dict[str, str], reason: str) -> None:
    good = {"Terraform_Tags": "", "Instance_Flavor": "name:m1.tiny"}
    bulk.configure(MaxTotalJobs="10", MaxWaitingJobs="10", **options)
    bulk.submit(2)
    up(bulk)
    assert subset({pilot["state"] for pilot in bulk.status()}, {"Failed"})
    swept = bulk.run("reap", bulk.name, "--json").json
    assert every(reason in removed["reason"] for removed in swept["removed"])
    until(lambda: not bulk.servers(), "no VM is left")
    bulk.configure(**good)
    assert bulk.submit(1).code == 0
    up(bulk)
    consistent(bulk, 1)


@pytest.mark.rig("it delays requests")
@pytest.mark.takes("front")
def test_kill_9_in_the_middle_of_a_batch(bulk: OpenStackSite, rig: Rig) -> None:
    bulk.through_front()
    bulk.submit(1)
    rig.verb("delay", "2")  # the search for their ids has not been answered when nova has made them
    try:
        with rig.counted() as asked:
            process = bulk.start(*bulk.submission(4))
            until(lambda: len(bulk.servers()) == 5, "nova has made them", pause=0.1)
            kill_9(process)
    finally:
        rig.verb("delay", "0")
    assert asked["POST /servers"] == 1
    up(bulk)
    assert bulk.submit(1).code == 0
    up(bulk)
    consistent(bulk, 6)


def test_changing_modules_takes_running_pilots_over(bulk: OpenStackSite) -> None:
    for module in ("bulk", "native", "bulk"):
        bulk.configure(Terraform_Module=module)
        assert bulk.submit(2).code == 0
        up(bulk)
        before = set(bulk.instances())
        assert bulk.audit()["mismatches"] == 0
    assert len(before) == 6
    consistent(bulk, 6)
    bulk.configure(Terraform_Module="native")
    ended = bulk.status()[0]["reference"]
    bulk.power_off(ended)
    reaped = bulk.run("reap", bulk.name, "--json").json
    assert [removed["reference"] for removed in reaped["removed"]] == [ended]
    until(lambda: set(bulk.instances()) == before - {node(ended)}, "one VM is gone")
    consistent(bulk, 5)


def test_a_renamed_vm_is_neither_lost_nor_taken_for_another(bulk: OpenStackSite) -> None:
    first, second, third = bulk.submit(3).json["references"]
    up(bulk)
    other = bulk.server(second)["name"]
    for reference, name in ((first, "renamed"), (third, other)):
        bulk.api.ask("PUT", "compute", f"/servers/{node(reference)}", {"server": {"name": name}})
    assert set(bulk.parts().fleet.poll([first, second, third]).values()) == {"Running"}
    assert bulk.run("reap", bulk.name, "--json").json["removed"] == [] and len(bulk.servers()) == 3
    bulk.power_off(first)
    swept = bulk.run("reap", bulk.name, "--json").json["removed"]
    assert [(removed["reference"], removed["reason"]) for removed in swept] == [(first, "stopped")]
    until(lambda: len(bulk.servers()) == 2, "the renamed VM is gone")
    assert bulk.run("kill", bulk.name, second, third).code == 0
    until(lambda: not bulk.servers(), "no VM is left")
    bulk.run("reap", bulk.name)
    consistent(bulk, 0)


@pytest.mark.rig("it needs two networks and a second flavor")
def test_a_batch_is_made_as_the_options_say(bulk: OpenStackSite, rig: Rig) -> None:
    bulk.configure(Terraform_AvailabilityZone="nova", **many_options(rig))
    references = bulk.submit(2).json["references"]
    up(bulk)
    for reference in references:
        made_of_many_options(bulk, reference)
    consistent(bulk, 2)
    assert bulk.run("kill", bulk.name, *references).code == 0
    gone = set(map(node, references))
    until(lambda: not gone & {port["device_id"] for port in rig.api().ports()}, "their ports are gone")
