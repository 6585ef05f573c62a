"""One text in a backend of Terraform's: the output of a state that has no resources, pulled and pushed.

Terraform itself refuses a push whose number is not above that of the state, or whose lineage is another's; it
looks and writes under the backend's own lock."""

from __future__ import annotations

import copy
import json
from contextlib import nullcontext
from typing import Any

from tfce.config.options import Queue
from tfce.model.lease import MARGIN
from tfce.store.shared_document import DamagedError, Revision
from tfce.terraform import http_states, process, state
from tfce.terraform.remote import DEFAULT, Remote

_OUTPUT = "tfce"


def lease_seconds(queue: Queue) -> int:
    """How long a lease lasts: longer than one Terraform run may take until it is killed."""
    most = process.INTERRUPT_GRACE + process.TERMINATE_GRACE
    return int(queue.terraform.timeout + most) + 2 * MARGIN


class StateDocumentStore(Remote):
    """The record's state in the backend, beside that of the queue's pilots."""

    def __init__(self, *args: Any, suffix: str = ".record", **kwargs: Any) -> None:
        super().__init__(*args, suffix=suffix, **kwargs)

    def pull(self) -> Revision | None:
        """What is there now."""
        text = self.text()
        try:
            found = state.parse(text)
            inside = found.get("outputs", {}).get(_OUTPUT, {}).get("value", "")
        except (state.UnreadableStateError, AttributeError) as error:
            problem = f"{self.backend_id}: {self._state_name} is no record ({error}); no pilot was touched"
            cure = f"restore it there from a copy, or remove it there and run `tfce repair {self._queue.label}`"
            raise DamagedError(problem, cure) from None
        return Revision(found["serial"], found["lineage"], str(inside)) if found else None

    def push(self, held: Revision) -> None:
        """Replace what is there, if its number is lower and its lineage the same."""
        outputs = {_OUTPUT: {"value": held.text, "type": "string"}}
        whole = {"version": 4, "terraform_version": "1.5.0", "serial": held.serial, "lineage": held.lineage}
        self.write(json.dumps({**whole, "outputs": outputs, "resources": []}))

    def at(self, name: str) -> StateDocumentStore:
        """The text of the state ``name``, in the same backend."""
        other = copy.copy(self)
        other._state_name, other._silent = name, None
        return other

    def remove(self) -> str:
        """Remove the text and its state; "", or why it stays."""
        if self._backend.address:  # Terraform's http backend removes nothing
            return http_states.remove(self._backend, self._state_name)
        ended = self._run("workspace delete", self._state_name, check=False, served=nullcontext(DEFAULT))
        return (self._said(ended) or ended.how) if ended.exit else ""
