"""The contract suite on clouds whose VMs have nothing but names: all of it that asks for no console."""

from tests.contract.edges import WRAPPER, SiteEdge
from tests.contract.test_cloud import *  # noqa: F403
from tests.contract.test_life import *  # noqa: F403
from tests.contract.test_provisioner import *  # noqa: F403
from tests.e2e.clouds.site import NamedSite
from tests.userdata import plain


def test_the_console_of_a_vm_and_of_none(edge: SiteEdge) -> None:  # type: ignore[no-redef]
    """libcloud has no call for it that all drivers share, so there is none, and nothing is asked."""
    parts = edge.parts()
    assert parts.cloud.console("1001") is None and not parts.cloud.calls


def test_a_log_is_the_cloud_s_console_and_later_the_kept_one(  # type: ignore[no-redef]
    edge: SiteEdge,
) -> None:
    """Without a console, the journal is what there is."""
    (reference,) = edge.parts().fleet.submit(WRAPPER, 1).references
    log = edge.parts().fleet.log(reference)
    assert not log.console and [event.event for event in log.events] == ["submit", "submitted"]


def test_the_guest_gets_its_user_data_and_the_queues_image(site: NamedSite, edge: SiteEdge) -> None:
    edge.parts().fleet.submit(WRAPPER, 1)
    (machine,) = site.cloud.sorted()
    data = plain(machine.data)
    assert data.startswith("#cloud-config") and "write_files" in data
    assert (machine.image, machine.size) == (site.cloud.image, site.cloud.flavor)
    assert machine.running


def test_a_cloud_that_is_full_says_so(site: NamedSite, edge: SiteEdge) -> None:
    site.cloud.full = "You have reached your limit of 3 instances"
    failed = edge.parts().fleet.submit(WRAPPER, 1).failed
    assert [site.cloud.full in reason.text for reason in failed.values()] == [True]


def test_a_wrong_login_is_told_as_one(site: NamedSite) -> None:
    site.authenticate("whoever", "wrong")
    checks = {check["check"]: check for check in site.run("doctor", site.name, "--json").json["checks"]}
    assert not checks["cloud"]["ok"]


def test_the_doctor_asks_for_the_location_that_each_vm_wants(site: NamedSite) -> None:
    own = site.cloud.options().get("Terraform_AvailabilityZone", "z-1")
    needed = "Terraform_AvailabilityZone" in site.cloud.options()
    for place, ok in (("nowhere", False), (own, True), *([("", False)] if needed else [])):
        site.configure(Terraform_AvailabilityZone=place)
        report = site.run("doctor", site.name, "--json").json["checks"]
        (check,) = [one for one in report if one["check"] == "location"]
        assert check["ok"] is ok and (ok or "Terraform_AvailabilityZone" in check["cure"])
