"""The Terraform edge of a queue whose pilots are one resource, of tfce's own provider.

Such a resource is told which pilots shall exist; it takes over those whose VMs exist, by their tags. So an
adoption is an apply that makes nothing, and forgetting is taking keys out of one map in the state.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tfce.config.credentials import base_environment, public_driver_options, terraform_environment
from tfce.model.errors import TerraformError
from tfce.provider import settings
from tfce.store import files
from tfce.terraform import process
from tfce.terraform.calls import count_calls
from tfce.terraform.runner import Applied, Terraform

_EDITED = "edited.tfstate"
# A driver of somebody's own may call its secrets anything: what sounds like one is not written down.
_SECRET = re.compile(r"secret|token|password|passwd|key|cred", re.IGNORECASE)


class Bulk(Terraform):
    """Terraform in one queue's workspace, the pilots being one resource."""

    def __init__(self, *args: Any, login: Callable[[], str] = str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._login = login
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
        """The environment of a run: only what Terraform needs, and the login for our provider; for an
        operator's own module also what the cloud's ready-made provider reads."""
        native = self.module.place is not None
        return {
            **base_environment(),
            **self._settings(),
            **(terraform_environment(self._queue, self._credentials, self._token) if native else {}),
            **settings.environment(self._queue, self._credentials, self._login()),
        }

    def _begin(self) -> None:
        # Terraform taints what fails while it is created: so it is created once, without pilots. Should that fail,
        # the first submission does it, and says why it cannot.
        state = json.loads(self._run("state pull").out or "{}")
        if not any(self._is_ours(resource) for resource in state.get("resources") or ()):
            self._spent += count_calls(self._apply([], count=True).err.splitlines())

    def apply(self, keys: Collection[str], progress: Callable[[str], None] = lambda text: None) -> Applied:
        def each(text: str) -> None:
            what = text.rpartition(": ")[2]
            for key in keys if text.startswith(self.module.resource) else ():
                progress(f"{key}: {what}")

        applied = super().apply(keys, each)
        applied.calls += self._spent
        self._spent.clear()
        return applied

    def _apply(self, keys: Collection[str], **how: Any) -> process.Ended:
        more = {**how.pop("more", {}), settings.KEYS: ",".join(keys)}
        return super()._apply(keys, more=more, **how)

    def adopt(self, ids: Mapping[str, str]) -> None:
        if not ids:
            return
        ended = self._apply(list(ids), more={settings.ADOPT_ONLY: "1"}, count=True)
        self._spent += count_calls(ended.err.splitlines())
        known = self.instances()
        missing = sorted(key for key in ids if key not in known)
        if missing:
            raise TerraformError(f"{', '.join(missing)} could not be taken over: {self._said(ended) or ended.how}")
        other = {key: node for key, node in ids.items() if known[key].id != node}
        if other:
            self._edit(replace=other)

    def forget(self, keys: Collection[str]) -> None:
        gone = [key for key in keys if key in self.instances()]
        if gone:
            self._edit(remove=gone)

    def untaint(self, keys: Collection[str]) -> None:
        if keys:
            self._run("untaint", self.module.resource, lock_timeout="10s")

    def _is_ours(self, resource: Mapping[str, Any]) -> bool:
        return resource["mode"] == "managed" and f"{resource['type']}.{resource['name']}" == self.module.resource

    def _edit(self, remove: Collection[str] = (), replace: Mapping[str, str] | None = None) -> None:
        """Change the map of pilots in the state, as ``terraform state rm`` and ``import`` would if it were many
        resources."""
        state = json.loads(self._run("state pull").out)
        for resource in state["resources"]:
            if self._is_ours(resource):
                for entry in resource["instances"]:
                    values = entry["attributes"]
                    for attribute in ("ids", "pilots"):
                        kept = {k: v for k, v in (values[attribute] or {}).items() if k not in remove}
                        values[attribute] = kept
                    values["ids"] |= replace or {}
        state["serial"] += 1
        path = self._folder / _EDITED
        files.write(path, json.dumps(state))
        try:
            self._run("state push", _EDITED, lock_timeout="10s")
        finally:
            files.remove(path)
