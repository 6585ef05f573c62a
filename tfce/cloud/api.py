"""The cloud edge: status polling and reaping through libcloud, which only this package imports.

``Cloud`` is the interface; the fake in the tests implements it too, and both pass the same contract tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from tfce.config.credentials import Credentials
from tfce.config.options import Queue
from tfce.model.vm import VM, Owner

# VMs that a list does not show are asked for one by one; more than this many wait for the next time.
LOOK_UPS = 20


@dataclass(frozen=True)
class Check:
    """One finding of the preflight: what was looked at, whether it is well, what was seen, the cure."""

    check: str
    ok: bool
    detail: str
    cure: str = ""


class Cloud(Protocol):
    """What tfce asks of a cloud. Every method raises ``CloudError`` when the cloud gives no answer that can
    be trusted; none of them ever answers "nothing there" because of a failure."""

    calls: Counter[str]  # API calls made so far, by action

    def nodes(self, owner: Owner) -> list[VM]:
        """Every VM that bears ``owner``'s CE and queue, whichever installation made it, in as few calls as
        the cloud allows. VMs that have ended may be listed for a while, in state GONE."""

    def node(self, node_id: str) -> VM | None:
        """One VM by id; None only if the cloud says that there is no such VM."""

    def destroy(self, node_ids: Iterable[str]) -> dict[str, str]:
        """Ask for the removal of these VMs; the refusals, by id. A VM that is already gone is no refusal."""

    def console(self, node_id: str) -> str | None:
        """What a VM wrote to its console, as far back as the cloud keeps it, the cloud's own credentials masked.
        None where the cloud has none (any more), or no such call. One call at most."""

    def token(self) -> str:
        """A token to hand to Terraform, where the cloud's kind of login asks for it; else empty."""

    def login(self) -> str:
        """Where processes that this one starts find its login, and leave theirs for each other: a file in memory.
        Empty where the cloud wants no login that lasts."""

    def checks(self) -> list[Check]:
        """Look, without creating anything, whether the queue's image, flavor, networks … are there."""


def connect(queue: Queue, credentials: Credentials) -> Cloud:
    """The cloud of ``queue``. Nothing is asked of it yet. libcloud is heavy: it is loaded only here."""
    if queue.endpoint.cloud == "OPENSTACK":
        from tfce.cloud.openstack.vms import OpenStack

        return OpenStack(queue, credentials)
    if queue.endpoint.cloud == "EC2":
        from tfce.cloud.ec2.vms import Ec2

        return Ec2(queue, credentials)
    from tfce.cloud.generic.vms import GenericCreator

    return GenericCreator(queue, credentials)
