"""Whether a queue may start pilots now, as far as its own record tells: no list, no lock."""

from __future__ import annotations

from tfce.model.errors import CloudError
from tfce.model.hold import Hold, HoldKind
from tfce.model.images import NAMED, means_newest
from tfce.model.pilot import reference, timestamp
from tfce.model.record import Record
from tfce.pilots import allocations, images, offering_choice
from tfce.pilots.services import Services


def held(services: Services, record: Record, by_hand: bool = False) -> Hold | None:
    """What keeps pilots back, the firmest first; ``by_hand``: an operator asks, whom only a drain, a lack of
    approval or of allotted hours holds."""
    status = services.workspace.review_status
    firm = _drained(services, record) or (status.hold if status else None)
    firm = firm or allocations.held(services, record)
    if firm is not None or by_hand:
        return firm
    return _resting(services, record) or _protected(services, record)


def _drained(services: Services, record: Record) -> Hold | None:
    drain = record.drain
    if drain is None or not drain.holds(_images(services, drain.image)):
        return None
    cure = f"`tfce drain {services.queue.label} --undo` starts pilots again"
    return Hold(HoldKind.DRAINED, str(drain), cure, firm=True)


def _images(services: Services, meant: str) -> list[str]:
    """The names of the image that new pilots would get; the cloud is asked only where the option has a name and
    the drain an id."""
    option = services.queue.shape.image
    if not meant or meant == option or not (option.startswith(NAMED) or means_newest(option)):
        return [option]
    try:
        if means_newest(option):
            return [option, images.chosen(services)]
        owners = services.queue.shape.image_owners
        return [option, *services.cloud.find("image", option.removeprefix(NAMED), owners)]
    except CloudError:
        return [option, meant]  # nobody can tell: rather none than one of an image that shall go


def _resting(services: Services, record: Record) -> Hold | None:
    backoff = record.backoff
    if backoff is None or not backoff.resting(services.clock()):
        full = offering_choice.all_rest(services.workspace.network_zones.offerings, record, services.clock())
        return Hold(HoldKind.RESTING, full) if full else None
    text = f"cools down until {timestamp(backoff.until)} after {backoff.failures} failures in a row"
    return Hold(HoldKind.RESTING, f"{text}: {backoff.reason}")


def _protected(services: Services, record: Record) -> Hold | None:
    """After a row of bad ends one pilot is tried now and then."""
    options, health = services.queue.workspace, record.health
    if not health.protected(options.protect_after):
        return None
    asked = (pilot.requested_at for pilot in record.pilots.values())
    wait = health.wait(options.protect_after, options.cooldown)
    due = health.probe_due(asked, services.clock(), wait)
    cure = (
        f"`tfce log {services.queue.label} {reference(health.row[-1].id)}` shows what the last one did; "
        f"one pilot is tried {wait} s after the last one, until one lives longer than {options.young} s"
    )
    return Hold(HoldKind.PROTECTED, f"protected: {health}", cure, most=1 if due else 0)
