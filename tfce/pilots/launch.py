"""Asking the cloud for pilots: the record to the disk, then the cloud, then the record again.

A crash between any two of these leaves a pending operation behind, and the next writer knows every VM again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tfce import userdata
from tfce.config.offerings import Offering
from tfce.model.errors import TfceError
from tfce.model.pilot import Pilot, timestamp
from tfce.model.record import Operation, Record
from tfce.pilots import batching
from tfce.pilots.services import Services
from tfce.pilots.settling import Settler
from tfce.pilots.submission import Submission
from tfce.review import approvals

log = logging.getLogger("tfce")


@dataclass(frozen=True)
class Order:
    """What the pilots of a submission run, and who hears of their progress."""

    recipe: userdata.Recipe
    wrapper: bytes
    proxy: bytes | None
    progress: Callable[[str], None]
    offering: Offering

    def user_data(self, rule: str) -> bytes:
        """The user data of a pilot or batch with this stamp."""
        return userdata.render(self.recipe, key=rule, wrapper=self.wrapper, proxy=self.proxy).data


class Launcher:
    """Starts pilots of one offering."""

    def __init__(self, services: Services) -> None:
        self._services, self._settler = services, Settler(services)
        self._workspace, self._terraform, self._cloud = services.workspace, services.terraform, services.cloud

    def launch(self, record: Record, count: int, order: Order) -> tuple[Submission, Record]:
        """Start ``count`` pilots, or as many as there is room for. Where the cloud refuses a batch as a whole,
        what it refused is asked for in halves, in the same cycle."""
        limit = self._terraform.batch_limit if userdata.takes_batches(order.recipe) else 1
        halves_help = limit > 1 and not self._cloud.capabilities.partial
        if halves_help and count > 1 and record.backoff is not None:
            return self._ask(record, batching.halved(count, limit, record.used_keys), order)
        asked = batching.requests(count, limit, record.used_keys)
        submission, record = self._ask(record, asked, order)
        again = batching.refused_whole(asked, submission.failed) if halves_help else []
        if not again or submission.stopped or record.pending:
            return submission, record
        more, record = self._ask(record, batching.halved(len(again), limit, record.used_keys), order)
        return submission.followed_by(more, instead_of=again), record

    def _ask(self, record: Record, asked: Sequence[batching.Asked], order: Order) -> tuple[Submission, Record]:
        keys = [key for one in asked for key in one.keys]
        if not keys:
            return Submission(), record
        contexts = {one.label: order.user_data(one.rule) for one in asked}
        return self._start(record, keys, contexts, order)

    def _start(
        self, record: Record, keys: list[str], contexts: Mapping[str, bytes], order: Order
    ) -> tuple[Submission, Record]:
        """Write the pilots ``keys`` down, ask for their VMs, and find out what came of it."""
        workspace = self._workspace
        now = self._services.clock().replace(microsecond=0)
        name = f"{timestamp(now)}-{keys[0]}"
        before = record
        record = record.including(Pilot(key, now, name, spec=order.offering.spec) for key in keys).begin(
            Operation.SUBMIT, keys, now
        )
        try:
            workspace.write_contexts(contexts)
            record = workspace.save(record)
            workspace.journal.append(
                "submit",
                keys=keys,
                wanted=len(record.pilots),
                made=order.offering.spec.to_json(),
                shape=approvals.facts(workspace),
            )
        except TfceError:
            self._take_back(before)
            raise
        applied = self._terraform.apply(keys, order.progress, fresh=True)  # the keys were made just now
        submission, record = self._settler.settle(record, keys, applied)
        submission.calls = applied.calls
        return submission, record

    def _take_back(self, record: Record) -> None:
        """The cloud was not asked yet: forget the new pilots, as far as the disk lets us."""
        try:
            self._workspace.save(record)
            self._workspace.forget_contexts()
        except TfceError as error:
            log.warning("the workspace is left for the next cycle to mend: %s", error.message)
