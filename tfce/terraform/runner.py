"""The Terraform edge: what one queue's workspace can be asked."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tfce.cloud.factory import explanations
from tfce.model.reasons import Kind, Reason
from tfce.store import files
from tfce.terraform import process
from tfce.terraform.calls import count_calls
from tfce.terraform.modules import option_of
from tfce.terraform.preparation import ADOPTION, Prepared
from tfce.terraform.results import Applied, Plan, Step
from tfce.terraform.runs import FLAG
from tfce.terraform.variables import to_hcl

_ABOUT = {
    "Instance_Image": Kind.IMAGE,
    "Instance_Flavor": Kind.FLAVOR,
    "Instance_Networks": Kind.NETWORK,
    "Terraform_SecurityGroups": Kind.NETWORK,
}


class Terraform(Prepared):
    """Terraform in one queue's workspace. All methods but ``plan`` want the workspace's lock held."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._explain = explanations(self._queue.endpoint)

    @property
    def batch_limit(self) -> int:
        """How many VMs one API call may start: 1 where each has its own."""
        return 1

    @property
    def waits(self) -> bool:
        """Whether an apply ends only when its VMs run, or failed."""
        return True

    def expect(self) -> None:
        """A run follows soon."""

    def prefetch(self) -> None:
        """An apply is to come: what it asks of the cloud by name may be asked already. Here Terraform asks
        itself."""

    def apply(
        self, keys: Collection[str], progress: Callable[[str], None] = lambda text: None, fresh: bool = False
    ) -> Applied:
        """Create the VMs of ``keys``, which the record lists. Nothing else is looked at or touched: no
        refresh, no work that grows with the pilots that already run. ``fresh``: nobody can have asked for these
        before, so that no VM of theirs is searched for."""
        applied = Applied()

        def each(step: Step) -> None:
            progress(step.of(self.module.key(step.address) or step.address))

        def on_line(line: str) -> None:
            self._take(line, applied, each)

        ended = self._apply(keys, on_line=on_line, count=True)
        applied.calls = count_calls(ended.err.splitlines())
        return self._judged(applied, ended)

    def _judged(self, applied: Applied, ended: process.Ended) -> Applied:
        """``applied`` with what the end of its run says."""
        applied.stopped = ended.stopped
        silent = not applied.cause and (ended.exit < 0 or (ended.exit and not applied.failed))
        if ended.stopped or silent:
            applied.cause = self._ending("apply", ended)
        elif ended.exit < 0 and applied.cause:
            applied.cause = applied.cause.saying(f"{applied.trouble} ({ended.how})")
        return applied

    def _apply(self, keys: Collection[str], **how: Any) -> process.Ended:
        return self._run(
            "apply",
            json=FLAG,
            auto_approve=FLAG,
            input=False,
            refresh=False,
            lock_timeout="10s",
            parallelism=self._queue.terraform.parallelism,
            target=self.module.targets(keys),
            timeout=self._queue.terraform.timeout,
            check=False,
            **how,
        )

    def _take(
        self,
        line: str,
        applied: Applied,
        heard: Callable[[Step], None],
        is_known: Callable[[Mapping[str, Any]], bool] = lambda diagnostic: False,
    ) -> None:
        """One line of an apply. ``heard`` hears of its steps; ``is_known``: whether a diagnostic says nothing
        new."""
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        if event.get("type") == "diagnostic":
            diagnostic = event.get("diagnostic") or {}
            if is_known(diagnostic):
                return
            text = self._clean(self.module.reason(diagnostic))
            key = self.module.failed_key(diagnostic)
            if key:
                applied.failed.setdefault(key, self._explain(text))
            elif event.get("@level") == "error" and not applied.cause:
                applied.cause = self._looked_up(diagnostic, self._explain(text))
        elif event.get("type") in ("apply_start", "apply_complete", "apply_errored"):
            address = ((event.get("hook") or {}).get("resource") or {}).get("addr", "")
            with contextlib.suppress(OSError):  # a closed terminal must not leave Terraform alone at work
                heard(Step(address, event["type"].removeprefix("apply_")))

    def _looked_up(self, diagnostic: Mapping[str, Any], cause: Reason) -> Reason:
        """The cause, with what it is about where it came of looking a name up."""
        option = option_of(diagnostic.get("address") or "")
        if option is None or cause.kind is not Kind.UNCLASSIFIED:
            return cause
        value = self._workspace.queue.values()[option]
        shown = ", ".join(value) if isinstance(value, tuple) else value
        return Reason(_ABOUT[option], f"{option} = {shown}: {cause.text}")

    def adopt(self, ids: Mapping[str, str]) -> None:
        """Take VMs that exist into the state, all in one run: ``{key: instance id}``, keys in the record."""
        if not ids:
            return
        blocks = [
            f"import {{\n  to = {self.module.address(key)}\n  id = {to_hcl(node_id)}\n}}\n"
            for key, node_id in sorted(ids.items())
        ]
        files.write(self._folder / ADOPTION, "\n".join(blocks))
        try:
            self._run(
                "apply",
                auto_approve=FLAG,
                input=False,
                no_color=FLAG,
                lock_timeout="10s",
                target=[self.module.address(key) for key in ids],
                timeout=self._queue.terraform.timeout,
            )
        finally:
            files.remove(self._folder / ADOPTION)

    def forget(self, keys: Collection[str]) -> None:
        """Take pilots out of the state, in one run and without asking the cloud. Unknown keys are no error."""
        known = self.instances()
        addresses = [self.module.address(key) for key in keys if key in known]
        if addresses:
            self._run("state rm", *addresses, backup=str(self._folder / "before-rm.tfstate"), lock_timeout="10s")

    def untaint(self, keys: Collection[str]) -> None:
        """Say that these pilots are well: Terraform would else want to replace them."""
        for key in keys:
            self._run("untaint", self.module.address(key), lock_timeout="10s")

    def plan(self, refresh: bool = True) -> Plan:
        """The plan of the whole workspace, as bare ``terraform plan`` shows it. Writes nothing."""
        return self._plan(refresh)

    def _plan(self, refresh: bool, **how: Any) -> Plan:
        ended = self._run(
            "plan",
            input=False,
            no_color=FLAG,
            detailed_exitcode=FLAG,
            refresh=refresh,
            lock=False,
            timeout=self._queue.terraform.timeout,
            check=False,
            **how,
        )
        if ended.exit not in (0, 2):
            raise self._failure("plan", ended)
        return Plan(self._masked(ended.out), ended.exit == 0)
