"""What all verbs of a queue share: its workspace, Terraform, cloud and clock, and the one look at them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from tfce.cloud import lookups
from tfce.cloud.api import Cloud
from tfce.cloud.shared import SharedLists
from tfce.config.options import Queue
from tfce.model.errors import ConfigError, TfceError
from tfce.model.reconcile import Case, Clocks, Condition, Instance, Rules, Snapshot, reconcile
from tfce.model.record import Home, Record
from tfce.model.trace import phase
from tfce.model.vm import OVER, VM, Inventory, State
from tfce.pilots import meter
from tfce.store import installation
from tfce.store.workspace import Workspace
from tfce.terraform import variables
from tfce.terraform.results import Applied

log = logging.getLogger("tfce")


class Provisioner(Protocol):
    """What the verbs ask of Terraform (``terraform.Terraform``, or the fake of the tests). Whatever runs Terraform
    wants the queue's lock, and raises ``TerraformError`` where it does not do what it should."""

    @property
    def batch_limit(self) -> int:
        """VMs that one API call may start."""

    @property
    def waits(self) -> bool:
        """Whether an apply ends only when its VMs run."""

    def expect(self) -> None:
        """A run follows soon: what needs nobody's turn may be made ready."""

    def prepare(self) -> None:
        """Put the root module into the workspace and initialise it, as far as that has not been done yet."""

    def prefetch(self) -> None:
        """An apply comes: what it asks of the cloud may be asked already."""

    def apply(self, keys: Collection[str], progress: Callable[[str], None] = ..., fresh: bool = ...) -> Applied:
        """Let the pilots ``keys``, which the record has, have a VM each; others are left alone. ``progress`` hears
        a line for people at times; ``fresh``: nobody can have asked for these. What failed is in the result."""

    def instances(self) -> dict[str, Instance]:
        """The pilots in the state, by key. Raises ``DamagedStateError`` where it cannot be read."""

    def adopt(self, ids: Mapping[str, str]) -> None:
        """Take VMs that exist into the state: ``{key: instance id}``, keys in the record."""

    def forget(self, keys: Collection[str]) -> None:
        """Take pilots out of the state; the cloud is not asked. Unknown keys are no error."""

    def untaint(self, keys: Collection[str]) -> None:
        """Say that these pilots are well: Terraform would else want to replace them."""


@dataclass(frozen=True)
class View:
    """A queue as it was seen: the snapshot, and its cases."""

    snapshot: Snapshot
    cases: list[Case]

    @property
    def clocks(self) -> Clocks:
        """The clocks at that moment."""
        return self.snapshot.clocks

    @property
    def alive(self) -> int:
        """How many of the queue's VMs run or may run."""
        ended = (*OVER, State.STOPPED, State.FAILED)
        mine = (case.vm for case in self.cases if case.condition is not Condition.FOREIGN)
        return sum(1 for vm in mine if vm is not None and vm.state not in ended)


@dataclass(frozen=True)
class Services:
    """One queue's parts. ``clock`` gives the time, aware; ``lists``: what the queues of a login share."""

    workspace: Workspace
    terraform: Provisioner
    cloud: Cloud
    clock: Callable[[], datetime]
    lists: SharedLists | None = None

    @property
    def queue(self) -> Queue:
        """The queue that all of this is for."""
        return self.workspace.queue

    @property
    def rules(self) -> Rules:
        """The ages that say what a VM is."""
        return Rules(self.queue.userdata.max_lifetime, self.queue.terraform.create_timeout)

    @phase("prepare the workspace")
    def prepare(self) -> Record:
        """Make whatever a writer needs in the workspace, as far as it is not there; the record."""
        self.check_home(self.workspace.prepare())
        self.terraform.prepare()
        variables.write(self.workspace)
        # Terraform's preparation writes the record where another module served the queue until now.
        return self.check_home(self.workspace.load())

    def check_home(self, record: Record, account: str = "") -> Record:
        """``record`` with the cloud that the queue is in now. Raises ``ConfigError`` where its pilots live in
        another one: from here they could not be seen."""
        here = Home(self.queue.endpoint.home, account or (record.home.account if record.home else ""))
        if record.home is not None and not record.home.same(here):
            if record.ever_lived or self._placed():
                raise self._elsewhere(record.home, here, record)
            here = replace(here, account=account)
        return replace(record, home=here)

    def at_home(self, record: Record) -> Record:
        """``record``, which knows whose account its first pilots will be in: asked for once in a queue's life."""
        known = record.home is not None and record.home.account
        return record if known else self.check_home(record, self.cloud.account())

    def _placed(self) -> bool:
        try:
            return bool(self.terraform.instances())
        except TfceError:
            return True

    def _elsewhere(self, home: Home, here: Home, record: Record) -> ConfigError:
        return ConfigError(
            "CloudType, Driver_*",
            str(here),
            f"{len(record.pilots)} pilots of {self.queue.label} live in {home}",
            "put options and credentials back until they have ended, or configure another queue for the new cloud",
        )

    @phase("compare record, state and cloud")
    def view(self, record: Record, state: Mapping[str, Instance] | None, look_up: bool = True) -> View:
        """The queue as it is now: one list call, and a look-up for each pilot that should be listed and is not (at
        most ``LOOK_UPS``). Raises ``CloudError`` when the list cannot be had."""
        owner = self.workspace.owner_of(record.installation)
        inventory = lookups.inventory(self.cloud.vms(owner))
        record = _placed(record, state or {})
        record = self.check_home(record, inventory.account or self._account(record, inventory))
        clocks = Clocks(self.clock(), inventory.cloud_time)
        record = record.not_after(clocks.host) if clocks.trusted else record
        by_id = self.cloud.capabilities.by_id
        snapshot = Snapshot(record, inventory, clocks, owner, self.rules, state, by_id=by_id)
        cases = reconcile(snapshot)
        self._warn(clocks, inventory, cases)
        absent = [case.id for case in cases if case.condition is Condition.ABSENT] if look_up else []
        if absent:
            snapshot = replace(snapshot, looked_up=self.look_up(absent))
            cases = reconcile(snapshot)
        view = View(snapshot, cases)
        meter.seen(view)
        return view

    def _account(self, record: Record, inventory: Inventory) -> str:
        """Whose the credentials are, where no VM says so: asked for only if a pilot should be listed."""
        known = record.home is not None and record.home.account and record.ever_lived
        return self.cloud.account() if known and not inventory.vms else ""

    def look_up(self, ids: Collection[str]) -> dict[str, VM | None]:
        """Each VM by its id, None where the cloud says that there is none. One that it says nothing of is left
        out."""
        return lookups.look_up(self.cloud, ids)

    def _warn(self, clocks: Clocks, inventory: Inventory, cases: Collection[Case]) -> None:
        if clocks.worth_saying:
            ahead = int(clocks.skew.total_seconds())
            stop = "" if clocks.trusted else "; nothing is removed for its age until that is right"
            log.warning("the host's clock is %d s ahead of the cloud's%s: synchronise it", ahead, stop)
        if not inventory.complete:
            log.warning("the cloud's list of VMs is not complete; what it does not show keeps its state")
        foreign = sorted(
            {case.vm.installation for case in cases if case.condition is Condition.FOREIGN and case.vm}
        )
        if (
            foreign
            and all(case.condition is Condition.FOREIGN for case in cases)
            and not self.queue.workspace.installation
        ):
            log.warning("%s", installation.lost(foreign[0], "VMs of this queue have it", self.queue.label).message)


def _placed(record: Record, state: Mapping[str, Instance]) -> Record:
    """``record`` with the ids that only the state knows: version 0.1 did not write them down."""
    ids = {key: one.id for key, one in state.items() if key in record.pilots and not record.pilots[key].id}
    return record.placed(ids) if ids else record


def no_room(vm: VM) -> bool:
    """Whether a VM failed because the cloud had no room for it."""
    return vm.fault is not None and vm.fault.no_room
