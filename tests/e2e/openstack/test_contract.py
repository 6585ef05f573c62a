"""The contract tests on OpenStack, as far as they speak no EC2: real Terraform, libcloud, and the rig."""

from __future__ import annotations

import pytest

from tests.checking import until
from tests.contract.edges import Parts, SiteEdge
from tests.contract.test_cloud import (
    test_a_queue_whose_name_is_a_pattern_sees_its_own_only,
    test_an_account_without_our_vms_gives_an_empty_list,
    test_nothing_is_asked_for_nothing,
    test_one_vm_by_its_id_whosesoever,
    test_states,
    test_vms_are_removed_together_and_one_that_is_not_there_stops_none,
)
from tests.contract.test_life import (
    test_a_log_is_the_cloud_s_console_and_later_the_kept_one,
    test_a_vm_that_was_removed_behind_our_back_is_deleted_and_not_made_anew,
    test_an_overdue_pilot_goes_and_a_young_one_stays,
    test_strangers_and_neighbours_are_neither_counted_nor_touched,
    test_two_queues_in_one_account_leave_each_other_alone,
)
from tests.contract.test_provisioner import (
    parts,
    test_a_pilot_that_is_no_longer_desired_is_not_destroyed_by_the_next_apply,
    test_a_vm_that_the_state_does_not_know_is_adopted_not_doubled,
    test_an_ended_pilot_is_neither_started_again_nor_replaced,
    test_forgotten_pilots_live_on_and_are_not_asked_about,
)
from tests.e2e.openstack.cloud import OpenStackSite

__all__ = [
    "parts",
    "test_a_log_is_the_cloud_s_console_and_later_the_kept_one",
    "test_a_pilot_that_is_no_longer_desired_is_not_destroyed_by_the_next_apply",
    "test_a_queue_whose_name_is_a_pattern_sees_its_own_only",
    "test_a_vm_that_the_state_does_not_know_is_adopted_not_doubled",
    "test_a_vm_that_was_removed_behind_our_back_is_deleted_and_not_made_anew",
    "test_an_account_without_our_vms_gives_an_empty_list",
    "test_an_ended_pilot_is_neither_started_again_nor_replaced",
    "test_an_overdue_pilot_goes_and_a_young_one_stays",
    "test_forgotten_pilots_live_on_and_are_not_asked_about",
    "test_nothing_is_asked_for_nothing",
    "test_one_vm_by_its_id_whosesoever",
    "test_states",
    "test_strangers_and_neighbours_are_neither_counted_nor_touched",
    "test_two_queues_in_one_account_leave_each_other_alone",
    "test_vms_are_removed_together_and_one_that_is_not_there_stops_none",
]


class Patient(SiteEdge):
    """The real edge of the contract tests, which wait until VMs are built: tfce's own provider does not."""

    def parts(self, queue: str = "long", **options: str) -> Parts:
        if self._site.options["Terraform_Module"] == "bulk":
            until(self._built, "VMs are built", pause=1)
        return super().parts(queue, **options)

    def _built(self) -> bool:
        return all(state != "BUILD" for state, _ in self._site.everything().values())


@pytest.fixture(params=["bulk", "native"])
def edge(request: pytest.FixtureRequest, site: OpenStackSite) -> SiteEdge:
    site.configure(Terraform_Module=request.param)
    return Patient(site)
