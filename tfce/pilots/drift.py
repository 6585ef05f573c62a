"""Finds drift: compares the options, the approved shape, Terraform's variables and the VMs that run.

Asks for one list, and looks up names where the cloud calls a thing otherwise than the options. Takes no lock,
writes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from tfce.model.images import NAMED
from tfce.model.reconcile import LIVING, Case
from tfce.model.record import Record
from tfce.model.vm_spec import VMSpec
from tfce.pilots.services import Services
from tfce.review import approvals
from tfce.store import files
from tfce.terraform import literals, variables


class DriftPlace(Enum):
    """Between what; the value is the word for programs."""

    APPROVAL = "approval"  # the options ask for something else than was approved
    PRIVATE = "private"  # Terraform's variables are other ones than count
    CLOUD = "cloud"  # a VM is not what was asked for
    OLDER = "older"  # it is, and new ones are others


@dataclass(frozen=True)
class Drift:
    """One difference. ``alert``: nobody decided it, so somebody should look."""

    where: DriftPlace
    text: str
    cure: str
    alert: bool = True


def drift(services: Services) -> list[Drift]:
    """All differences of a queue. Raises ``TfceError`` where they cannot be judged."""
    workspace = services.workspace
    found = [*_approval(services), *_private(services)]
    if workspace.exists:
        record = workspace.load()
        view = services.view(record, None, look_up=False)
        found += _cloud(services, record, [case for case in view.cases if case.condition in LIVING and case.vm])
    return found


def _approval(services: Services) -> Iterator[Drift]:
    workspace, label = services.workspace, services.queue.label
    if not workspace.asked.review.shape:
        return
    seen = approvals.preview(workspace, services.clock())
    cure = f"merge what `tfce propose {label}` writes, or put the option back"
    if seen.hold:
        yield Drift(DriftPlace.APPROVAL, seen.hold.text, seen.hold.cure)
    for one in seen.waiting:
        yield Drift(DriftPlace.APPROVAL, str(one), cure)
    if seen.trouble:
        yield Drift(DriftPlace.APPROVAL, seen.trouble, "see that Workspace_Approved can be read")


def _private(services: Services) -> Iterator[Drift]:
    """What stands in the workspace for Terraform: the next verb that writes puts it right."""
    workspace = services.workspace
    text = files.believed(workspace.private / "queue.auto.tfvars")
    if text is None:
        return
    wanted = {name: one for part in variables.variables(services.queue).values() for name, one in part.items()}
    try:
        there = literals.read(text)
    except ValueError as error:
        there, wanted = {}, {f"a line that is none of tfce's ({error})": ""}
    names = [name for name in {**wanted, **there} if there.get(name) != wanted.get(name)]
    if names:
        cure = f"`tfce render {services.queue.label}` writes it again"
        yield Drift(DriftPlace.PRIVATE, f"Terraform's variables differ in {', '.join(names)}", cure)


def _cloud(services: Services, record: Record, cases: list[Case]) -> Iterator[Drift]:
    alike = _Alike(services)
    changed: Counter[str] = Counter()
    older: Counter[str] = Counter()
    for case in cases:
        asked = record.pilots[case.key].spec if case.key in record.pilots else VMSpec()
        there = case.vm.spec if case.vm else VMSpec()
        for kind in ("flavor", "image"):
            was, now = getattr(asked, kind), getattr(there, kind)
            if was and now and not alike(kind, was, now):
                changed[f"{kind} {now} instead of {was}: {case.id}"] += 1
            elif now and not any(alike(kind, one, now) for one in alike.wanted(kind)):
                older[f"{kind} {now}, new ones {', '.join(alike.wanted(kind))}"] += 1
        strange = _groups(services, case)
        changed.update([f"{strange}: {case.id}"] if strange else [])
    for text in changed:
        yield Drift(
            DriftPlace.CLOUD, f"a running VM has {text}", "somebody changed it in the cloud; remove it if in doubt"
        )
    for text, number in older.items():
        cure = f"they end by themselves; `tfce drain {services.queue.label} --deadline` hastens it"
        yield Drift(DriftPlace.OLDER, f"{number} running VMs have {text}", cure, alert=False)


def _groups(services: Services, case: Case) -> str:
    """The security groups that a VM has and the options do not name, or the reverse; "" where nobody can tell."""
    wanted, there = services.queue.shape.security_groups, case.vm.groups if case.vm else ()
    names = {one.removeprefix(NAMED) for one in wanted}
    by_id = any(not one.startswith(NAMED) for one in wanted) and any(len(one) == 1 for one in there)
    if not wanted or not there or by_id:
        return ""
    more = [group[-1] for group in there if not names & set(group)]
    less = sorted(names - {name for group in there for name in group})
    said = [f"the security groups {', '.join(more)} beside its own"] if more else []
    return " and ".join([*said, *([f"not the security groups {', '.join(less)}"] if less else [])])


class _Alike:
    """Whether two words mean the same flavor or image, the options' and the cloud's; each is looked up once."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._ids: dict[tuple[str, str], list[str]] = {}

    def wanted(self, kind: str) -> tuple[str, ...]:
        """What new VMs may have."""
        shape = self._services.queue.shape
        return shape.flavors if kind == "flavor" else (shape.image,)

    def __call__(self, kind: str, asked: str, there: str) -> bool:
        if there in (asked, asked.removeprefix(NAMED)):
            return True
        if asked.startswith(NAMED):
            return there in self._found(kind, asked.removeprefix(NAMED))
        return kind == "flavor" and asked in self._found(kind, there)

    def _found(self, kind: str, name: str) -> list[str]:
        if (kind, name) not in self._ids:
            owners = self._services.queue.shape.image_owners if kind == "image" else ()
            self._ids[kind, name] = self._services.cloud.find(kind, name, owners)
        return self._ids[kind, name]
