"""The Terraform edge of a queue whose pilots are one resource, of tfce's own provider.

Such a resource is told which pilots shall exist; it takes over those whose VMs exist, by their tags. So an
adoption is an apply that makes nothing, and forgetting is taking keys out of one map in the state. The provider is
served by this process, again for each run: what the run is about and what came of it stay in memory.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from tfce.cloud.api import Cloud
from tfce.config import environment
from tfce.config.credentials import base_environment, public_driver_options, terraform_environment
from tfce.model.errors import TerraformError, TfceError
from tfce.model.reasons import Kind, Reason
from tfce.provider import settings
from tfce.provider.attached import attached
from tfce.provider.prefetch import Prefetch
from tfce.provider.run import Run, not_forgotten
from tfce.store import files
from tfce.terraform import http_states, process, variables
from tfce.terraform.modules import OUR_PROVIDER
from tfce.terraform.remote import lock_in
from tfce.terraform.results import Applied, Plan, Step
from tfce.terraform.runner import Terraform
from tfce.terraform.runs import FLAG

log = logging.getLogger("tfce")

_EDITED = "edited.tfstate"
# A driver of somebody's own may call its secrets anything: what sounds like one is not written down.
_SECRET = re.compile(r"secret|token|password|passwd|key|cred", re.IGNORECASE)

# What Terraform and OpenTofu say of a provider that does not answer.
_UNLOADED = re.compile(r"(load|read|obtain|fetch) (\w+ )*schemas?\b|instantiate provider", re.IGNORECASE)
_GLANCE = 1.0  # seconds after SIGINT for a Terraform that has asked its provider for nothing yet

Attach = Callable[[Run], AbstractContextManager[Mapping[str, str]]]


class Bulk(Terraform):
    """Terraform in one queue's workspace, the pilots being one resource. ``clone`` gives another connection to the
    queue's cloud, ``attach`` serves a run's provider."""

    def __init__(self, *args: Any, clone: Callable[[], Cloud], attach: Attach = attached, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clone, self._attach = clone, attach
        self._prefetch = Prefetch()
        self._spent: Counter[str] = Counter()  # API calls of runs that no caller heard of yet

    @property
    def batch_limit(self) -> int:
        return int(self._queue.terraform.batch) if self._queue.endpoint.capabilities.batches else 1

    @property
    def waits(self) -> bool:
        return False

    def _settings(self) -> dict[str, str]:
        public = {
            name: value for name, value in public_driver_options(self._queue).items() if not _SECRET.search(name)
        }
        return {**super()._settings(), **({settings.OPTIONS: json.dumps(public)} if public else {})}

    def environment(self) -> dict[str, str]:
        """The environment of a run: only what Terraform needs, without any login: the provider is in this process.
        For an operator's own module what the cloud's ready-made provider reads."""
        native = self.module.own is not None
        login = terraform_environment(self._queue, self._credentials, self._token) if native else {}
        return {**base_environment(), **self._settings(), **login, **self._backend.environment}

    def expect(self) -> None:
        """Bring along what a run needs while the shared record is read."""
        if self._is_shared:
            threading.Thread(target=self._warm, name="tfce-warm").start()

    def _warm(self) -> None:
        with contextlib.suppress(TfceError, ImportError):  # whoever needs it says what is wrong
            environment.check_provider()
            importlib.import_module("tfce.provider.serve")
            variables.render(self._queue)

    def prepare(self) -> None:
        environment.check_provider()
        super().prepare()
        if self._is_shared and self._workspace.load().pending is not None:
            self._break_lock()

    def _begin(self) -> None:
        # Terraform taints what fails while it is created: so it is created once, without pilots. Should that fail,
        # the first submission does it, and says why it cannot.
        if any(map(self._is_ours, self._state().get("resources") or ())) or not self._workspace.take_lease(
            "begin"
        ):
            return
        if self._unlocked(self._serve(self._run_for([]))):
            self._serve(self._run_for([]))

    def _break_lock(self) -> None:
        """Whoever began what is to be finished may have died with the state locked."""
        known = self._state()
        if not known or not self._workspace.take_lease("finish what was begun"):
            return
        path = self._folder / _EDITED
        files.write(path, json.dumps(known))
        try:  # the same state again: Terraform locks it, and changes nothing
            self._unlocked(self._run("state push", _EDITED, lock_timeout="10s", check=False))
        finally:
            files.remove(path)

    def _unlocked(self, ended: process.Ended) -> bool:
        """Whether a lock kept a run from its end, and is gone now. Who has the turn is the only one who may have
        locked the state, so it is a dead one's."""
        ident = lock_in(ended) if self._is_shared else ""
        if not ident:
            return False
        log.warning("%s: the state's lock %s is left over and is broken", self._queue.label, ident)
        if self._backend.address and http_states.unlock(self._backend, self._state_name, ident):
            return True
        return not self._run("force-unlock", ident, force=FLAG, check=False).exit

    def prefetch(self) -> None:
        self._prefetch.begin(self._clone)

    # -- verbs ---------------------------------------------------------------------------------------------

    def apply(
        self, keys: Collection[str], progress: Callable[[str], None] = lambda text: None, fresh: bool = False
    ) -> Applied:
        applied, run = Applied(), self._run_for(keys, fresh=fresh)

        def each(step: Step) -> None:  # what is said of the one resource is said of each pilot
            for key in keys if step.address.startswith(self.module.resource) else ():
                progress(step.of(key))

        def is_known(diagnostic: Mapping[str, Any]) -> bool:  # what Terraform repeats of its provider's
            return run.settled and diagnostic.get("address") == self.module.resource

        ended = self._serve(run, lambda line: self._take(line, applied, each, is_known))
        kept = "; ".join(": ".join(not_forgotten(key, why)) for key, why in sorted(run.kept.items()))
        if kept and not applied.cause:
            applied.cause = Reason(Kind.UNCLASSIFIED, self._clean(kept))
        for text in sorted(run.warnings):
            log.warning("Instance_Image = %s: %s", self._queue.shape.image, text)
        applied.ids |= run.ids
        applied.failed |= run.refused
        applied.calls, self._spent = self._spent, Counter()
        applied = self._judged(applied, ended)
        went_well = run.met and not ended.exit and not ended.stopped and not run.refused
        applied.written = went_well and set(keys) <= run.ids.keys() and not self._left_over.exists()
        if applied.cause and not applied.stopped:
            applied.cause = _reached(run.cause.saying(applied.trouble) if run.cause else applied.cause)
        killed = f" ({applied.trouble})" if ended.exit < 0 else ""
        applied.failed |= {key: why.saying(self._clean(why.text) + killed) for key, why in run.refused.items()}
        return applied

    def _run_for(self, keys: Collection[str] | None, make: bool = True, fresh: bool = False) -> Run:
        only = None if keys is None else frozenset(keys)
        parallelism = self._queue.terraform.parallelism
        return Run(
            lambda block: self._clone, only, make, parallelism, fresh, folder=self._folder, prefetch=self._prefetch
        )

    def _serve(self, run: Run, on_line: Callable[[str], None] = lambda line: None) -> process.Ended:
        """An apply beside the provider of ``run``."""
        try:
            return self._apply((), on_line=on_line, grace=lambda: _grace(run), **self._beside(run))
        finally:
            self._spent += run.calls + self._prefetch.spent()

    def _beside(self, run: Run) -> dict[str, Any]:
        """Serve ``run``'s provider; the slot is others' while it waits for the cloud."""
        return {"served": self._attach(run), "on_slot": run.rests}

    def adopt(self, ids: Mapping[str, str]) -> None:
        if not ids:
            return
        run = self._run_for(list(ids), make=False)
        ended = self._serve(run)
        known = self.instances()
        missing = {key: str(run.refused.get(key, "")) for key in sorted(ids) if key not in known}
        if missing:
            end = self._ending("apply", ended)
            why = next(filter(None, missing.values()), "")
            raise TerraformError(
                f"{', '.join(missing)} could not be taken over: {self._clean(why or end.text)}",
                "" if why else end.cure,
            )
        other = {key: node for key, node in ids.items() if known[key].id != node}
        if other:
            self._edit(replace=other)

    def forget(self, keys: Collection[str]) -> None:
        known = self.instances() if self._seen is None else self.module.instances(self._seen)
        gone = [key for key in keys if key in known]
        if gone:
            self._edit(remove=gone)

    def untaint(self, keys: Collection[str]) -> None:
        if keys:
            self._run("untaint", self.module.resource, lock_timeout="10s")

    def plan(self, refresh: bool = True) -> Plan:
        return self._plan(refresh, **self._beside(self._run_for(None)))

    def shown(self) -> str:
        """The plan of new pilots as ``terraform show -json`` prints it; existing VMs are not asked for."""
        path = self._folder / "shown.tfplan"
        try:
            self._plan(False, out=str(path), **self._beside(self._run_for(None)))
            return self._masked(self._run("show", str(path), json=FLAG, **self._beside(self._run_for(None))).out)
        finally:
            files.remove(path)

    def _ending(self, command: str, ended: process.Ended, timeout: float | None = None) -> Reason:
        return _reached(super()._ending(command, ended, timeout))

    # -- the state -----------------------------------------------------------------------------------------

    def _is_ours(self, resource: Mapping[str, Any]) -> bool:
        return resource["mode"] == "managed" and f"{resource['type']}.{resource['name']}" == self.module.resource

    def _edit(self, remove: Collection[str] = (), replace: Mapping[str, str] | None = None) -> None:
        """Change the map of pilots in the state, as ``terraform state rm`` and ``import`` would if it were many
        resources."""
        state = self._state() if self._seen is None else self._seen
        _change(filter(self._is_ours, state["resources"]), remove, replace or {})
        state["serial"] += 1
        path = self._folder / _EDITED
        files.write(path, json.dumps(state), durable=False)  # Terraform reads it at once
        try:
            self._run("state push", _EDITED, lock_timeout="10s")
        finally:
            files.remove(path)


def _change(resources: Iterable[Any], remove: Collection[str], replace: Mapping[str, str]) -> None:
    for entry in (entry for resource in resources for entry in resource["instances"]):
        values = entry["attributes"]
        for attribute in ("ids", "pilots"):
            values[attribute] = {k: v for k, v in (values[attribute] or {}).items() if k not in remove}
        values["ids"] |= replace


def _grace(run: Run) -> float:
    return process.interrupt_grace() if run.met else _GLANCE


def _reached(reason: Reason) -> Reason:
    """The reason, in our words where Terraform did not reach the provider that this process serves."""
    if not (_UNLOADED.search(reason.text) and OUR_PROVIDER in reason.text):
        return reason
    return Reason(
        Kind.PROVIDER,
        f"Terraform did not get through to the provider that tfce serves: {reason.text}",
        cure="nothing was asked of the cloud; if it stays so, set TMPDIR to a folder on a local disk,"
        " the same for tfce and for Terraform_Binary",
    )
