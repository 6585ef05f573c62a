"""The verb `submit`: how many, of which offering, and what is learned of the room there was."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from tfce import userdata
from tfce.model import offering_backoffs
from tfce.model.reasons import Reason
from tfce.model.record import Record
from tfce.pilots import admission, allocations, images, network_zones, offering_choice
from tfce.pilots.launch import Launcher, Order
from tfce.pilots.recipes import recipe_for
from tfce.pilots.recovery import recover
from tfce.pilots.services import Services
from tfce.pilots.submission import Submission
from tfce.review import shape
from tfce.terraform import variables


class Submitter:
    """The verb ``submit`` of one queue."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._workspace, self._terraform, self._cloud = services.workspace, services.terraform, services.cloud
        self._queue, self._launcher = services.queue, Launcher(services)

    def submit(
        self,
        wrapper: bytes,
        count: int,
        proxy: bytes | None = None,
        progress: Callable[[str], None] = lambda text: None,
        ignore_limits: bool = False,
    ) -> Submission:
        """Start ``count`` pilots that run ``wrapper``; ``ignore_limits``: also while the queue cools down, and
        beyond MaxWaitingJobs.

        Raises before anything is asked of the cloud when the input, the workspace or Terraform is not fit;
        what fails later is in the result.
        """
        started, before = time.monotonic(), Counter(self._cloud.calls)
        recipe = recipe_for(self._queue)
        userdata.render(recipe, key="00000000", wrapper=wrapper, proxy=proxy)
        self._terraform.expect()
        with self._workspace.locked(), allocations.alone(self._services):
            self._workspace.variables.write_rest(shape.rest(self._queue))
            record = self._services.prepare()
            record = recover(self._services, record) if record.pending else record
            record = allocations.ready(self._services, record)
            network_zones.looked_up(self._services)
            record, allowed, why = admission.allowed(self._services, record, count, ignore_limits)
            order = Order(recipe, wrapper, proxy, progress, self._workspace.network_zones.offerings[0])
            submission, record = self._from_offerings(record, allowed, order, ignore_limits)
            self._learn(record, submission)
            submission.limited = submission.limited or why  # what was allowed first had still to fit
        submission.calls += self._cloud.calls - before
        submission.seconds = time.monotonic() - started
        return submission

    def _from_offerings(
        self, record: Record, count: int, order: Order, by_hand: bool
    ) -> tuple[Submission, Record]:
        """Start ``count`` pilots of the first offering, what it has no room for of the next, and so on."""
        total, lacking, full, limited = Submission(), list[str](), list[Reason](), ""
        clock, every = self._services.clock, self._workspace.network_zones.offerings
        image = images.resolved(self._services) if count else ""
        for offering in offering_choice.open_ones(every, record, clock(), by_hand) if count else ():
            if offering_choice.hopeless(offering, full):
                continue
            fits, hold = allocations.room(self._services, record, offering, count)
            limited = str(hold) if hold else ""
            if not fits:
                continue
            made_of = replace(offering, image=image)
            variables.choose(self._workspace, made_of)
            submission, record = self._launcher.launch(record, fits, replace(order, offering=made_of))
            total, lacking = (
                total.followed_by(submission, lacking[:fits]),
                offering_choice.lacking(submission.failed),
            )
            full = [submission.failed[key] for key in lacking]
            record = offering_choice.learned(every, record, offering, full, clock())
            count += len(lacking) - fits
            if not count or total.stopped or record.pending:
                break
        total.limited = limited if count else ""
        if len(every) > 1:
            total.failed = {
                key: offering_backoffs.without_alternative(reason) for key, reason in total.failed.items()
            }
        return total, record

    def _learn(self, record: Record, submission: Submission) -> None:
        """Whether the cloud had room. Of several offerings each rests for itself."""
        several = len(self._workspace.network_zones.offerings) > 1
        full = [
            reason
            for reason in submission.failed.values()
            if reason.starts_nothing and not (several and offering_backoffs.another_helps(reason))
        ]
        if full and not submission.stamps:
            now, cooldown = self._services.clock(), self._queue.workspace.cooldown
            self._workspace.save(record.without_room(full[0], now, cooldown))
        elif submission.stamps and self._terraform.waits and record.backoff is not None:
            self._workspace.save(record.with_room())
        elif several and record != self._workspace.load():
            self._workspace.save(record)
