"""The contract: what tfce asks of a cloud, of its pilots' VMs and of whatever its provider needs.

``Cloud`` is the interface; the fake in the tests implements it too, and both pass the same contract tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from tfce.cloud import clean
from tfce.cloud.listing import Listing
from tfce.cloud.shape import Shape
from tfce.model.errors import CloudError
from tfce.model.images import Image
from tfce.model.pilot import Batch
from tfce.model.reasons import Kind
from tfce.model.vm import VM, Owner

if TYPE_CHECKING:  # a provider's start is paid at each run of a bare Terraform
    from tfce.config.capabilities import Capabilities
    from tfce.config.options import Queue
    from tfce.config.settings import VmShape

# VMs that a list does not show are asked for one by one; more than this many wait for the next time.
LOOK_UPS = 20
# What helps against a cloud that does not speak of what it was asked.
_CURES = {
    Kind.UNREACHABLE: "make the cloud's API reachable from this host",
    Kind.AUTHENTICATION: "give the login the right to ask",
    Kind.THROTTLED: "try again later",
}


@dataclass(frozen=True)
class Check:
    """One finding of the preflight: what was looked at, whether it is well, what was seen, the cure."""

    check: str
    ok: bool
    detail: str
    cure: str = ""

    def __post_init__(self) -> None:
        for name in ("detail", "cure"):  # they show what the cloud calls its things
            object.__setattr__(self, name, clean.line(getattr(self, name)))

    @classmethod
    def unanswered(cls, check: str, error: CloudError, option: str = "") -> Self:
        """What could not be looked at. ``option``: what named it; it is to blame only where the cloud has
        spoken of it."""
        named = f"correct {option}, or give the login the right to ask" if option else ""
        cure = error.reason.cure or _CURES.get(error.reason.kind) or named or "give the login the right to ask"
        return cls(check, False, error.problem, cure)


@dataclass(frozen=True)
class Requirements:
    """What a preflight looks for: what VMs are made of, how many (None: nobody says), and for how many seconds a
    token that is handed over has to last."""

    shape: VmShape
    total: int | None = None
    patience: int = 900

    @classmethod
    def of(cls, queue: Queue) -> Requirements:
        """What the options of ``queue`` ask for."""
        return cls(queue.shape, queue.limits.total, queue.terraform.timeout)


class Cloud(Protocol):
    """One login to one cloud. One object serves one thread: ``clone`` gives another.

    Every method raises ``CloudError`` when the cloud gives no answer that can be trusted; none of them ever
    answers "nothing there" because of a failure."""

    calls: Counter[str]  # API calls made so far, by action

    @property
    def capabilities(self) -> Capabilities:
        """What the cloud's API can do. Asks nothing."""

    # -- VMs -----------------------------------------------------------------------------------------------

    def vms(self, *owners: Owner) -> Listing:
        """Every VM with the CE and queue of one of the ``owners``, of any installation, each once. Takes as few
        calls as the cloud allows. VMs that have ended may be listed for a while, in state DELETED. The list says
        itself whether it is complete. Raises ``CloudError``."""

    def everyone(self) -> Listing:
        """Every VM that the login may see, whosever, as the cloud lists them: why one failed may be missing, since
        no VM is asked for by itself. Raises ``CloudError``."""

    def part(self, found: Listing, owner: Owner) -> Listing:
        """What ``vms`` lists for ``owner``, out of a list for more queues, or of ``everyone``. Asks nothing."""

    def vm(self, vm_id: str) -> VM | None:
        """One VM by id; None only if the cloud says that there is no such VM."""

    def find_existing(self, shape: Shape, keys: Collection[str], batches: Collection[Batch]) -> list[VM]:
        """The VMs of these pilots and batches, as ``vms`` lists them: where the cloud can search, in an answer
        that does not grow with what else runs. Others may be among them."""

    def create(self, shape: Shape, key: str, user_data: str) -> str:
        """Ask for the VM of pilot ``key``; its id. Does not wait until it runs. Raises ``CloudError``: of kind
        "unreachable" where the VM may exist in spite of it."""

    def create_batch(self, shape: Shape, batch: Batch, user_data: str) -> list[VM] | None:
        """Ask for all VMs of ``batch`` in one request, of which the cloud may grant fewer: those, or None where
        its answer does not say which, so that ``granted`` is to be asked. Only where ``capabilities.batches``
        says so. Raises like ``create``."""

    def granted(self, shape: Shape, batches: Collection[Batch]) -> list[VM]:
        """The VMs that the cloud made of ``batches``, which it has just taken in; as few requests as it allows."""

    def destroy(self, vm_ids: Iterable[str]) -> dict[str, str]:
        """Ask for the removal of these VMs; the refusals, by id. A VM that is already gone is no refusal. Ids may
        come late: a cloud that removes VMs one by one begins with those that are there."""

    def console(self, vm_id: str) -> str | None:
        """What a VM wrote to its console, as far back as the cloud keeps it, the cloud's own credentials masked.
        None where the cloud has none (any more), or no such call. One call at most."""

    # -- what else is there --------------------------------------------------------------------------------

    def find(self, kind: str, name: str, owners: tuple[str, ...] = ()) -> list[str]:
        """The ids of the ``kind`` (one of ``KINDS``) called ``name``, exactly, in one look-up; ``owners`` of an
        image, where everybody can publish some."""

    def cores(self, flavor: str) -> int | None:
        """How many a VM of ``flavor`` (id, or name:NAME) has; None where the cloud does not tell. One look-up."""

    def images(self, wanted: str, owners: Collection[str] = (), visible: Collection[str] = ()) -> list[Image]:
        """The images that ``wanted`` (an id, name:NAME, newest:PATTERN with * and ?) may mean, given up or not, in
        one look-up. ``owners`` of an image that is found by name, where everybody can publish some;
        ``visible``: the visibilities of one that is found by a pattern, where the cloud has these."""

    def network_zones(self, networks: Collection[str]) -> dict[str, str]:
        """The zone of each of the networks (ids or name:NAME), "" where a network is in none, or nobody tells."""

    def preflight(self, required: Requirements) -> list[Check]:
        """Look, without creating anything, whether the image, flavor, networks … of ``required`` are there."""

    def account(self) -> str:
        """The cloud's own id of the account or project that is asked, "" where it does not tell. One request at
        most: lists say it, too, where they show any VM."""

    # -- login ---------------------------------------------------------------------------------------------

    def token(self) -> str:
        """A token to hand to Terraform, where the cloud's kind of login asks for it; else empty."""

    def clone(self) -> Self:
        """Another connection with the same login, for another thread; it counts its calls by itself."""
