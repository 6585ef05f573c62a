"""The preflight: everything that can be wrong before the first pilot, each with its cure. Creates nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tfce import userdata
from tfce.app import backend_time, probe
from tfce.cli import reviewing
from tfce.cli.show import table
from tfce.cli.tables import show_json
from tfce.cloud import clock
from tfce.cloud.api import Check, Cloud, Requirements
from tfce.cloud.factory import connect
from tfce.config import backends, credentials, environment
from tfce.config.backends import LOCAL
from tfce.config.cfg import load_queues
from tfce.config.options import Queue
from tfce.model.errors import ConfigError, Fault, TfceError, shorten
from tfce.model.plurals import counted
from tfce.pilots.recipes import recipe_for
from tfce.store.workspace import Workspace
from tfce.terraform.modules import module_for
from tfce.terraform.programs import find_program
from tfce.terraform.providers import find_provider
from tfce.userdata import schema

_FREE_MB = 100
_AT_ONCE = 8  # queues
_LOOK_UP = "tfce's documentation has a row for it: 'Why does it not work?' (docs/how-to/troubleshooting.md)"
_TYPICAL_WRAPPER = b"#!/bin/bash\n" + b"# a pilot wrapper\n"


def one(queue: Queue, as_json: bool) -> int:
    """Show the findings about a queue; 1 if anything is wrong."""
    checks = examine(queue)
    if as_json:
        show_json({"checks": [vars(check) for check in checks]})
    else:
        rows = [("ok" if check.ok else "FAULT", check.check, check.detail, check.cure) for check in checks]
        print(table(("", "CHECK", "FOUND", "CURE"), rows))
    return 0 if all(check.ok for check in checks) else 1


def every(path: Path, as_json: bool) -> int:
    """Show what is wrong with any queue of a configuration; 1 if anything is."""
    found = load_queues(path)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        checks = dict(zip(found, pool.map(_of, found.values()), strict=True))
    if as_json:
        show_json({"queues": {label: [vars(check) for check in each] for label, each in checks.items()}})
    else:
        rows = [_row(label, each) for label, each in checks.items()]
        print(table(("", "QUEUE", "CHECK", "FOUND", "CURE"), [row for some in rows for row in some]))
    return 0 if all(check.ok for each in checks.values() for check in each) else 1


def _of(queue: Queue | ConfigError) -> list[Check]:
    if isinstance(queue, Queue):
        return examine(queue)
    return [_misread(fault) for fault in queue.faults]


def _row(label: str, checks: list[Check]) -> Sequence[tuple[str, ...]]:
    faults = [("FAULT", label, check.check, check.detail, check.cure) for check in checks if not check.ok]
    return faults or [("ok", label, f"{len(checks)} checks", "all is well", "")]


def examine(queue: Queue) -> list[Check]:
    """Every finding about ``queue``. A check that cannot be made because an earlier one failed is left out."""
    checks = [_guarded("configuration", lambda: f"{queue.label} on {queue.endpoint.home}")]
    checks += [_misread(fault) for fault in queue.endpoint.ignored()]
    surroundings = _environment(queue)
    checks += surroundings
    checks.append(_guarded("credentials", lambda: _credentials(queue)))
    reachable = checks[-1].ok and not surroundings
    checks.append(_guarded("workspace", lambda: _workspace(queue)))
    checks += _drained(queue)
    checks += reviewing.checks(queue)
    checks.append(_guarded("user data", lambda: _user_data(queue)))
    if checks[-1].ok:
        checks.append(_guarded("cloud-init's schema", lambda: _schema(queue)))
    if queue.limits.cpu_minutes is not None:
        checks.append(_guarded("job length", lambda: _job_length(queue, queue.limits.cpu_minutes or 0)))
    checks.append(_guarded("terraform", lambda: str(find_program(queue.terraform.binary))))
    checks.append(_guarded("provider", lambda: _provider(queue)))
    if queue.terraform.backend != LOCAL and checks[-1].ok and not surroundings:
        checks += _backend(queue)
    if reachable:
        cloud = connect(queue.endpoint, credentials.load(queue))
        checks.append(_guarded("cloud", lambda: _listing(queue, cloud)))
        if checks[-1].ok:
            checks += cloud.preflight(Requirements.of(queue))
    return checks


def _environment(queue: Queue) -> list[Check]:
    """The variables of this process that keep tfce from the cloud, or from its provider."""
    checks: list[Check] = []
    for look in (environment.check_cloud, *([environment.check_provider] if module_for(queue).bulk else [])):
        try:
            look()
        except ConfigError as error:
            checks += [_misread(fault, "environment") for fault in error.faults]
    return checks


def _guarded(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except ConfigError as error:
        return _misread(error.faults[0], name)
    except TfceError as error:
        return Check(name, False, error.problem, error.cure or _LOOK_UP)


def _misread(fault: Fault, name: str = "configuration") -> Check:
    return Check(name, False, fault.text, fault.cure)


def _credentials(queue: Queue) -> str:
    credentials.load(queue)
    entry = queue.endpoint.entry
    return f"key and secret from {f'clouds.yaml, {entry}' if entry else queue.access.auth_file}"


def _workspace(queue: Queue) -> str:
    place = _existing(queue.workspace.root)
    if not os.access(place, os.W_OK | os.X_OK):
        raise ConfigError(
            "Workspace_Root", str(queue.workspace.root), f"{place} cannot be written", "change its rights"
        )
    secret = _existing(queue.workspace.root / "queues")
    if secret != place and secret.stat().st_mode & 0o077:
        cure = f"run: chmod 700 {secret}"
        raise ConfigError("Workspace_Root", str(queue.workspace.root), f"others can read {secret}", cure)
    free = shutil.disk_usage(place).free // 2**20
    if free < _FREE_MB:
        raise ConfigError("Workspace_Root", str(queue.workspace.root), f"only {free} MB are free", "make room")
    return f"{queue.workspace.root}, {free} MB free"


def _drained(queue: Queue) -> list[Check]:
    """That an operator wants no new pilots is no fault, and easily forgotten."""
    record = Workspace(queue).file.salvaged()
    if record is None or record.drain is None:
        return []
    return [Check("drain", True, str(record.drain), f"`tfce drain {queue.label} --undo` ends it")]


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _user_data(queue: Queue) -> str:
    recipe = recipe_for(queue)
    size = recipe.limit.measure(userdata.render(recipe, key="00000000", wrapper=_TYPICAL_WRAPPER).data)
    return f"{size} of {recipe.limit.size} bytes before the pilot wrapper"


def _job_length(queue: Queue, minutes: int) -> str:
    """Whether the longest job that DIRAC sends fits into the shortest life of a VM."""
    life, need = queue.userdata.shortest, minutes * 60
    if need > life:
        raise ConfigError(
            "Context_MaxLifetime",
            str(queue.userdata.max_lifetime),
            f"VMs end after {life} s or later, jobs may take maxCPUTime = {minutes} min, {need} s: "
            f"those longer than {life // 60} min would be killed",
            f"set Context_MaxLifetime = {-(-need * 10 // 9) + 10} or more, or maxCPUTime = {life // 60} or less",
        )
    return f"maxCPUTime = {minutes} min fits into the {life} s that each VM lives at least"


def _schema(queue: Queue) -> str:
    command = schema.cloud_init()
    if command is None:
        return "cloud-init is not installed here: its schema was not asked"
    fault = schema.schema_fault(recipe_for(queue), command)
    if fault:
        template = str(queue.userdata.template or "tfce's own")
        cure = "correct the template; cloud-init's modules reference has the keys"
        raise ConfigError("Context_Template", template, shorten(fault), cure)
    return f"{command} accepts the document"


def _provider(queue: Queue) -> str:
    module = module_for(queue)
    cache: Path = queue.workspace.root / "terraform" / "unpacked"
    return str(find_provider(module, queue.terraform.mirror, cache))


def _backend(queue: Queue) -> list[Check]:
    """What a backend that hosts share is found to be, by settings that are read once."""
    try:
        backend = backends.load(queue)
    except ConfigError as error:
        return [_misread(fault, "backend") for fault in error.faults]
    found = _guarded("backend", lambda: probe(queue, backend))
    if not found.ok:
        return [found]
    return [found, clock.check(backend_time(backend), name="backend's clock", whose="the backend")]


def _listing(queue: Queue, cloud: Cloud) -> str:
    vms = cloud.vms(Workspace(queue).any_installation())
    return f"answers; {counted(len(vms), 'VM has', 'VMs have')} this queue's tags"
