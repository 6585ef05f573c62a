"""A simulated cloud, and the two edges of tfce over it: ``FakeCloud`` (libcloud's) and ``FakeTerraform``.

All of them share one ``Sky``, so that what Terraform creates is what the list shows. The simulation is honest
where it matters: the state is a real state file in the workspace, read like the real one; the desired and the
user data are read from the files that Terraform would read; a tainted pilot is never replaced but refused, as
``prevent_destroy`` does; destroyed VMs stay listed for a while.

Failures are injected by step: ``sky.at("create", Refused("no capacity"), nth=2)``. See ``Sky.at``.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tfce.cloud.api import Check, Cloud, Requirements
from tfce.cloud.ec2 import errors as ec2_errors
from tfce.cloud.listing import Listing
from tfce.cloud.openstack import errors as openstack_errors
from tfce.cloud.shape import Shape
from tfce.config.capabilities import Capabilities
from tfce.config.clouds import kind_of
from tfce.config.options import Queue
from tfce.model.errors import CloudError, DamagedStateError, TerraformError, WorkspaceError
from tfce.model.images import Image
from tfce.model.pilot import Batch
from tfce.model.reasons import Kind, Reason
from tfce.model.reconcile import Instance
from tfce.model.vm import VM, Owner, State, pilot_key, with_key
from tfce.model.vm_spec import VMSpec
from tfce.pilots.fleet import Fleet, Provisioner
from tfce.store import files
from tfce.store.workspace import Workspace
from tfce.terraform.modules import AWS, Module
from tfce.terraform.results import Applied, Plan

START = datetime(2026, 1, 1, tzinfo=UTC)
RAW = {
    State.BOOTING: "pending",
    State.RUNNING: "running",
    State.STOPPED: "stopped",
    State.FAILED: "error",
    State.DELETING: "shutting-down",
    State.DELETED: "terminated",
    State.UNKNOWN: "rescued",
}


class Crash(BaseException):
    """The process dies here: nothing of ours may catch it."""


@dataclass(frozen=True)
class Outcome:
    """What the cloud does at a step, other than its work, and its reason."""

    reason: str = ""


class Refused(Outcome):
    """At "create": the cloud refuses, no VM comes to be."""


class Tainted(Outcome):
    """At "create": the VM comes to be and runs, but the provider fails after it. The state says tainted."""


class Broken(Outcome):
    """At "create": the VM comes to be and fails in the cloud. The state says tainted."""


class ReplyLost(Outcome):
    """At "create": the VM comes to be, but the cloud's answer does not arrive: the state knows nothing."""


class Empty(Outcome):
    """At "list": the cloud answers, in good order, that there is nothing."""


def heard(text: str | Reason) -> Reason:
    """The reason that ``text`` tells; the simulated cloud speaks EC2 and nova."""
    if isinstance(text, Reason):
        return text
    found = ec2_errors.reason_of_message(text)
    return found if found.kind is not Kind.UNCLASSIFIED else openstack_errors.refusal(0, text)


class Clock:
    """A clock that moves when told to."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self.now += timedelta(seconds=seconds)


Effect = BaseException | Outcome | Callable[[], object]


@dataclass
class _Planned:
    step: str
    effect: Effect
    skip: int
    times: int


@dataclass
class Sky:
    """A cloud's VMs by id, and what shall go wrong.

    A VM boots for ``boot_seconds``; a destroyed one stays listed for ``linger_seconds``. ``quota`` bounds the
    VMs that exist. ``down``: the reason why every request fails, "" for none. ``steps`` records what was done.
    """

    clock: Clock = field(default_factory=Clock)
    boot_seconds: float = 0.0
    linger_seconds: float = 3600.0
    quota: int | None = None
    whole: bool = False  # a batch that does not fit is refused as a whole
    by_id: bool = True  # else a look for one VM only reads the list again
    mute: bool = False  # the answer to a batch does not say which VMs it made
    down: str = ""
    offers: dict[tuple[str, ...], int] | None = None  # room by flavor, zone, network (and market); else none
    cores: dict[str, int] = field(default_factory=dict)  # by flavor
    vms: dict[str, VM] = field(default_factory=dict)
    user_data: dict[str, str | None] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    consoles: dict[str, str | None] = field(default_factory=dict)
    steps: list[tuple[str, str]] = field(default_factory=list)
    _ended: dict[str, datetime] = field(default_factory=dict)
    _planned: list[_Planned] = field(default_factory=list)
    account: str = ""  # whose the credentials are
    tells_time: bool = True
    images: list[Image] = field(default_factory=list)
    network_zones: dict[str, str] = field(default_factory=dict)  # the zones of subnets
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _made: int = 0

    # -- injecting failures --------------------------------------------------------------------------------

    def at(self, step: str, effect: Effect, nth: int = 1, times: int = 1) -> None:
        """Let ``effect`` (an outcome, an exception to raise, or a function to call) happen at the ``nth``
        ``step`` from now, ``times`` times.

        Steps of the cloud: list, node, console, destroy (before each VM), destroyed. Steps of Terraform: prepare,
        apply, create (before the VM exists), created (it exists, the state does not know), recorded,
        applied, instances, adopt, forget, untaint. ``Crash()`` at any of them is a sudden death.
        """
        self._planned.append(_Planned(step, effect, nth - 1, times))

    def step(self, name: str, what: str = "") -> Outcome | None:
        """Do what was planned for this step; the outcome, if one was planned."""
        with self._lock:
            self.steps.append((name, what))
            due = [planned for planned in self._planned if planned.step == name]
            for planned in due:
                planned.skip -= 1
            ready = [planned for planned in due if planned.skip < 0]
            for planned in ready[:1]:
                planned.times -= 1
                if planned.times <= 0:
                    self._planned.remove(planned)
        effect = ready[0].effect if ready else None
        if isinstance(effect, BaseException):
            raise effect
        if self.down and name in ("list", "node", "destroy", "create"):
            raise CloudError(self.down, "unreachable")
        if effect is None or isinstance(effect, Outcome):
            return effect
        effect()
        return None

    def room(self, spec: VMSpec, quota: int | None) -> int:
        """How many more VMs of this kind there is room for."""
        living = self.living()
        left = 10**6 if quota is None else quota - len(living)
        if self.offers is None:
            return left
        place = _place(spec)
        there = sum(1 for node in living if _place(node.spec) == place)
        return min(left, self.offers.get(place, 0) - there)

    # -- the VMs -------------------------------------------------------------------------------------------

    def add(self, name: str, tags: Mapping[str, str], **more: Any) -> VM:
        """A new VM; ``more`` are further fields of ``VM``."""
        with self._lock:
            self._made += 1
            state = more.pop("state", State.BOOTING)
            node = VM(
                more.pop("id", f"i-{self._made:08x}"),
                name,
                state,
                RAW[state],
                more.pop("created", self.clock()),
                dict(tags),
                **more,
            )
            self.vms[node.id] = node
            return node

    def set(self, node_id: str, state: State, fault: str | Reason = "") -> None:
        """Put a VM into ``state``."""
        with self._lock:
            ended = self.clock() if state in (State.STOPPED, State.FAILED, State.DELETED) else None
            self.vms[node_id] = replace(
                self.vms[node_id],
                state=state,
                raw_state=RAW[state],
                fault=heard(fault) if fault else None,
                ended=ended,
            )
            if state is State.DELETED:
                self._ended[node_id] = self.clock()

    def stop(self, node_id: str) -> None:
        """The VM switched itself off, as it does when its pilot ends."""
        self.set(node_id, State.STOPPED)

    def vanish(self, node_id: str) -> None:
        """The VM is removed behind tfce's back; the cloud knows no such id any more."""
        with self._lock:
            del self.vms[node_id]

    def living(self) -> list[VM]:
        """The VMs that exist."""
        return [node for node in self.look() if node.state is not State.DELETED]

    def look(self) -> list[VM]:
        """Every VM the cloud still speaks of, as it is now."""
        with self._lock:
            now = self.clock()
            for node in list(self.vms.values()):
                age = now - (node.created or now)
                if node.state is State.BOOTING and age.total_seconds() >= self.boot_seconds:
                    self.set(node.id, State.RUNNING)
                over = now - self._ended.get(node.id, now)
                if node.state is State.DELETED and over.total_seconds() > self.linger_seconds:
                    del self.vms[node.id]
            return list(self.vms.values())


def _place(spec: VMSpec) -> tuple[str, ...]:
    return (spec.flavor, spec.zone, spec.network, *([spec.market] if spec.market else []))


class FakeCloud(Cloud):
    """The ``Cloud`` over a ``Sky``."""

    def __init__(self, sky: Sky) -> None:
        self.sky = sky
        self.calls: Counter[str] = Counter()

    @property
    def capabilities(self) -> Capabilities:
        able = kind_of("OPENSTACK" if self.sky.whole else "EC2").capabilities
        return replace(able, by_id=self.sky.by_id)

    def vms(self, *owners: Owner) -> Listing:
        return self._listed(lambda vm: any(one.same_queue(vm) for one in owners))

    def everyone(self) -> Listing:
        return self._listed(lambda vm: True)

    def part(self, found: Listing, owner: Owner) -> Listing:
        return found.of_queues([owner])

    def _listed(self, wanted: Callable[[VM], bool]) -> Listing:
        self.calls["DescribeInstances"] += 1
        if isinstance(self.sky.step("list"), Empty):
            return Listing()
        shown = [vm for vm in self.sky.look() if vm.id not in self.sky.hidden and wanted(vm)]
        account = self.sky.account if shown else ""
        return Listing(shown, cloud_time=self.sky.clock() if self.sky.tells_time else None, account=account)

    def account(self) -> str:
        return self.sky.account

    def vm(self, vm_id: str) -> VM | None:
        self.calls["DescribeInstances"] += 1
        self.sky.step("node", vm_id)
        hidden = set() if self.sky.by_id else self.sky.hidden
        return next((vm for vm in self.sky.look() if vm.id == vm_id and vm.id not in hidden), None)

    def create(self, shape: Shape, key: str, user_data: str) -> str:
        self.calls["RunInstances"] += 1
        outcome = self.sky.step("create", key)
        if isinstance(outcome, Refused):
            raise CloudError(outcome.reason, reason=heard(outcome.reason))
        node = self.sky.add(f"{shape.name_prefix}{key}", shape.tags_of(key))
        self.sky.user_data[node.id] = user_data
        if isinstance(outcome, Broken):
            self.sky.set(node.id, State.FAILED, outcome.reason)
        self.sky.step("created", key)
        if isinstance(outcome, ReplyLost):
            raise CloudError(outcome.reason or "read timed out", "unreachable")
        return node.id

    def create_batch(self, shape: Shape, batch: Batch, user_data: str) -> list[VM] | None:
        self.calls["RunInstances"] += 1
        outcome = self.sky.step("create", batch.label)
        if isinstance(outcome, Refused):
            raise CloudError(outcome.reason, reason=heard(outcome.reason))
        room = batch.size if self.sky.quota is None else self.sky.quota - len(self.sky.living())
        if room < (batch.size if self.sky.whole else 1):
            raise CloudError("full", reason=heard("Quota exceeded for instances"))
        made = []
        for number in range(min(batch.size, room)):
            tags = with_key(shape.tags_of(batch), number)
            made.append(self.sky.add(f"{shape.name_of(batch)}-{number + 1}", tags).id)
            self.sky.user_data[made[-1]] = user_data
            if isinstance(outcome, Broken):
                self.sky.set(made[-1], State.FAILED, outcome.reason)
        self.sky.step("created", batch.label)
        if isinstance(outcome, ReplyLost):
            raise CloudError(outcome.reason or "read timed out", "unreachable")
        return None if self.sky.mute else [self.sky.vms[node_id] for node_id in made]

    def granted(self, shape: Shape, batches: Collection[Batch]) -> list[VM]:
        if isinstance(refusal := self.sky.step("granted"), Refused):
            raise CloudError(refusal.reason, reason=heard(refusal.reason))
        return self.find_existing(shape, (), batches)

    def find_existing(self, shape: Shape, keys: Collection[str], batches: Collection[Batch]) -> list[VM]:
        wanted = {*keys, *(key for batch in batches for key in batch.keys)}
        found = self.vms(shape.owner)
        return found.of(node for node in found if pilot_key(node) in wanted)

    def destroy(self, vm_ids: Iterable[str]) -> dict[str, str]:
        refused: dict[str, str] = {}
        for node_id in vm_ids:
            self.calls["TerminateInstances"] += 1
            try:
                self.sky.step("destroy", node_id)
            except CloudError as error:
                refused[node_id] = error.message
                continue
            if node_id in self.sky.vms:
                self.sky.set(node_id, State.DELETED)
            self.sky.step("destroyed", node_id)
        return refused

    def console(self, vm_id: str) -> str | None:
        self.calls["GetConsoleOutput"] += 1
        self.sky.step("console", vm_id)
        node = self.sky.vms.get(vm_id)
        return self.sky.consoles.get(vm_id, f"{node.name} login: ") if node else None

    def find(self, kind: str, name: str, owners: tuple[str, ...] = ()) -> list[str]:
        return [name]

    def cores(self, flavor: str) -> int | None:
        self.calls["DescribeInstanceTypes"] += 1
        self.sky.step("cores", flavor)
        return self.sky.cores.get(flavor.removeprefix("name:"))

    def images(self, wanted: str, owners: Collection[str] = (), visible: Collection[str] = ()) -> list[Image]:
        self.calls["DescribeImages"] += 1
        self.sky.step("images", wanted)
        return [one for one in self.sky.images if fnmatchcase(one.name, wanted.partition(":")[2])]

    def network_zones(self, networks: Collection[str]) -> dict[str, str]:
        self.calls["DescribeSubnets"] += 1
        return {one: self.sky.network_zones.get(one, "") for one in networks}

    def preflight(self, required: Requirements) -> list[Check]:
        self.sky.step("preflight")
        return [Check("image", True, required.shape.image)]

    def token(self) -> str:
        return ""

    def clone(self) -> FakeCloud:
        return FakeCloud(self.sky)


class FakeTerraform(Provisioner):
    """The ``Provisioner`` over a ``Sky``: its state is a file of the real format in the real place. With a
    ``batch_limit`` above 1 it asks for batches, like the bulk module."""

    batch_limit = 1
    waits = True

    def __init__(self, workspace: Workspace, sky: Sky, batch_limit: int = 1) -> None:
        self._workspace = workspace
        self.sky = sky
        self.batch_limit, self.waits = batch_limit, batch_limit == 1
        self.module: Module = AWS  # its state has an entry for each pilot

    @property
    def state_file(self) -> Path:
        """Where Terraform's local backend keeps the state of this workspace."""
        return self._workspace.private / "terraform.tfstate.d" / self._workspace.name / "terraform.tfstate"

    # -- Provisioner ---------------------------------------------------------------------------------------

    def expect(self) -> None:
        """Nothing has to be made ready."""

    def prepare(self) -> None:
        self.sky.step("prepare")

    def prefetch(self) -> None:
        """It asks for nothing by name."""

    def apply(
        self, keys: Collection[str], progress: Callable[[str], None] = lambda text: None, fresh: bool = False
    ) -> Applied:
        applied = Applied()
        self.sky.step("apply", " ".join(keys))
        desired, state = self._workspace.load().pilots, self.instances()
        done = self._apply_batches([key for key in keys if key in desired and key not in state], applied, progress)
        for key in keys:
            if key not in desired or key in done:
                continue  # a target that the configuration does not have creates nothing
            if key in state:
                if state[key].tainted:
                    applied.failed[key] = heard("Instance cannot be destroyed")
                continue
            progress(f"{key}: start")
            reason = self._create(key, applied)
            if reason:
                applied.failed[key] = reason
            progress(f"{key}: {'errored' if reason else 'complete'}")
        self.sky.step("applied")
        return applied

    def instances(self) -> dict[str, Instance]:
        self.sky.step("instances")
        try:
            text = files.read(self.state_file)
            return {} if text is None else self.module.instances(json.loads(text))
        except (WorkspaceError, ValueError, KeyError, TypeError, AttributeError) as error:
            label = self._workspace.queue.label
            raise DamagedStateError(
                f"the Terraform state is damaged ({error}); run `tfce repair {label}`"
            ) from None

    def adopt(self, ids: Mapping[str, str]) -> None:
        if not ids:
            return
        self.sky.step("adopt", " ".join(ids))
        desired, known = self._workspace.load().pilots, {node.id for node in self.sky.living()}
        for key, node_id in ids.items():
            if key not in desired:
                raise TerraformError(f"terraform apply: {self.module.address(key)} is not in the configuration")
            if node_id not in known:
                raise TerraformError("terraform apply: Cannot import non-existent remote object")
        self._record({key: Instance(node_id, False) for key, node_id in ids.items()})

    def forget(self, keys: Collection[str]) -> None:
        if any(key in self.instances() for key in keys):
            self.sky.step("forget", " ".join(keys))
            self._write({key: entry for key, entry in self.instances().items() if key not in keys})

    def untaint(self, keys: Collection[str]) -> None:
        for key in keys:
            self.sky.step("untaint", key)
            if not self.instances()[key].tainted:
                raise TerraformError(f"terraform untaint: {self.module.address(key)} is not tainted")
            self._record({key: replace(self.instances()[key], tainted=False)})

    def plan(self, refresh: bool = True) -> Plan:
        """Whether desired and state (and, with ``refresh``, the cloud) agree."""
        state, living = self.instances(), {node.id for node in self.sky.living()}
        lines = [f"+ {key}" for key in self._workspace.load().pilots if key not in state]
        lines += [f"- {key}" for key in state if key not in self._workspace.load().pilots]
        lines += [f"-/+ {key}" for key, entry in state.items() if entry.tainted]
        if refresh:
            lines += [f"+ {key}" for key, entry in state.items() if entry.id not in living]
        return Plan("\n".join(lines) or "No changes.", not lines)

    # -- how it is done ------------------------------------------------------------------------------------

    def _apply_batches(self, keys: Collection[str], applied: Applied, progress: Callable[[str], None]) -> set[str]:
        """Make the VMs of those batches whose user data are there; the keys that this settled."""
        done: set[str] = set()
        batches = filter(None, (Batch.parse(path.name) for path in files.listed(self._workspace.contexts, "*-*")))
        for batch in sorted(batches, key=lambda batch: -batch.size):
            some = [key for key in batch.keys if key in keys]
            done |= set(some)
            bore = {node.tags.get("tfce:batch") for node in self.sky.look()}
            if not some or batch.name in bore:  # never asked for twice
                applied.failed |= dict.fromkeys(some, heard("was asked for before"))
                continue
            reason = self._create_batch(batch, applied)
            for key in some:
                progress(f"{key}: {'errored' if reason else 'complete'}")
            known = self.instances()
            few = Reason(Kind.NOT_GRANTED, "quota: the cloud granted fewer")
            applied.failed |= {key: reason or few for key in some if key not in known}
        return done

    def _create_batch(self, batch: Batch, applied: Applied) -> Reason | None:
        """Make a batch's VMs, as many as there is room for; why there are none."""
        applied.calls["RunInstances"] += 1
        try:
            outcome = self.sky.step("create", batch.label)
        except CloudError as error:
            return error.reason
        if isinstance(outcome, Refused):
            return heard(outcome.reason)
        made_of = self._made(batch.keys[0])
        room = max(min(self.sky.room(made_of, self.sky.quota), batch.size), 0)
        if room < (batch.size if self.sky.whole else 1):
            return self._full()
        tags = {**self._workspace.owner().tags(), "tfce:batch": batch.name}
        name = f"{self._workspace.queue.workspace.name_prefix}{batch.name}"
        made = {
            key: self.sky.add(
                f"{name}-{number + 1}", with_key({**tags, "Name": name}, number), spec=self._made(key)
            )
            for number, key in enumerate(batch.keys[:room])
        }
        for node in made.values():
            self.sky.user_data[node.id] = files.read(self._workspace.contexts / batch.label)
            if isinstance(outcome, Broken):
                self.sky.set(node.id, State.FAILED, outcome.reason)
        self.sky.step("created", batch.label)
        if outcome is None:
            self._record({key: Instance(node.id, False) for key, node in made.items()})
        self.sky.step("recorded", batch.label)
        return heard(outcome.reason) if outcome else None

    def _create(self, key: str, applied: Applied) -> Reason | None:
        """Make one VM; why that failed."""
        applied.calls["RunInstances"] += 1
        try:
            outcome = self.sky.step("create", key)
        except CloudError as error:
            return error.reason
        if isinstance(outcome, Refused):
            return heard(outcome.reason)
        if self.sky.room(self._made(key), self.sky.quota) < 1:
            return self._full()
        owner = self._workspace.owner()
        name = f"{self._workspace.queue.workspace.name_prefix}{key}"
        node = self.sky.add(name, {**owner.tags(), "tfce:key": key, "Name": name}, spec=self._made(key))
        self.sky.user_data[node.id] = files.read(self._workspace.contexts / key)
        if isinstance(outcome, Broken):
            self.sky.set(node.id, State.FAILED, outcome.reason)
        self.sky.step("created", key)
        if not isinstance(outcome, ReplyLost):
            self._record({key: Instance(node.id, outcome is not None)})
        self.sky.step("recorded", key)
        return heard(outcome.reason) if outcome else None

    def _full(self) -> Reason:
        if self.sky.quota is not None and len(self.sky.living()) >= self.sky.quota:
            return heard(f"InstanceLimitExceeded: you may run {self.sky.quota} instances")
        return heard("InsufficientInstanceCapacity: none left")

    def _made(self, key: str) -> VMSpec:
        return self._workspace.load().pilots[key].spec

    def _record(self, entries: Mapping[str, Instance]) -> None:
        text = files.read(self.state_file)
        known = self.module.instances(json.loads(text)) if text else {}
        self._write({**known, **entries})

    def _write(self, entries: Mapping[str, Instance]) -> None:
        kind, _, name = self.module.resource.partition(".")
        instances = [
            {"index_key": key, "attributes": {"id": entry.id}} | ({"status": "tainted"} if entry.tainted else {})
            for key, entry in sorted(entries.items())
        ]
        resource = {"mode": "managed", "type": kind, "name": name, "instances": instances}
        self.state_file.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(self.state_file, {"version": 4, "resources": [resource] if instances else []})


def fake_fleet(queue: Queue, sky: Sky) -> Fleet:
    """A fleet of ``queue`` over ``sky``; another one of the same queue is another process's."""
    workspace = Workspace(queue)
    return Fleet(workspace, FakeTerraform(workspace, sky), FakeCloud(sky), sky.clock)
