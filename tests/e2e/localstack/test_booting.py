"""A VM that never boots, on real Terraform: what waits for it ends after Terraform_CreateTimeout, and it goes."""

from __future__ import annotations

from tests.checking import consistent, until
from tests.rigs.proxy import ALWAYS, Fault
from tests.site import WRAPPER, Site


def test_terraform_waits_no_longer_than_the_option_says_and_the_room_is_given_back(site: Site) -> None:
    site.configure(Terraform_CreateTimeout="5", MaxWaitingJobs="1")
    site.proxy.add(Fault("DescribeInstances", "pending", times=ALWAYS))
    first = site.parts().fleet.submit(WRAPPER.encode(), 1)
    assert first.failed == {} and len(first.references) == 1 and first.seconds < 60
    stuck = first.references[0]
    until(lambda: site.parts().fleet.poll([stuck]) == {stuck: "Failed"}, "a VM that is given up")
    assert site.parts().fleet.count()["WaitingJobs"] == 0
    (removed,) = site.run("reap", site.name, "--json").json["removed"]
    assert removed["reference"] == stuck and removed["reason"] == "failed: still pending after 5 s"
    site.proxy.clear()
    assert len(site.parts().fleet.submit(WRAPPER.encode(), 1).references) == 1
    assert site.parts().fleet.poll([stuck]) == {stuck: "Failed"}
    consistent(site, 1)
