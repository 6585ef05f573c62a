"""Which image new pilots get, where the option names a pattern."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tfce.cloud.api import Cloud
from tfce.config.options import Queue
from tfce.model.errors import CloudError
from tfce.model.images import Image, means_newest, newest
from tfce.model.reasons import Kind, Reason
from tfce.pilots.services import Services
from tfce.terraform import variables

log = logging.getLogger("tfce")


def chosen(services: Services) -> str:
    """The image that new pilots get: the option, or the id of the newest that its pattern fits. Raises
    ``CloudError`` where there is none."""
    option = services.queue.shape.image
    return _newest(services).id if means_newest(option) else option


def resolved(services: Services) -> str:
    """The same. Another image than last time is said, and written down."""
    option = services.queue.shape.image
    if not means_newest(option):
        return option
    image, was = _newest(services), variables.last_image(services.workspace)
    trouble = image.trouble(services.clock())
    if trouble:
        log.warning("Instance_Image = %s: %s", option, trouble)
    if image.id != was:
        _told(services, image, was)
    return image.id


def _told(services: Services, image: Image, was: str) -> None:
    made = image.created.date().isoformat() if image.created else "?"
    now = f"Instance_Image = {services.queue.shape.image} is {image.id} ({image.name}, made {made})"
    if was:
        log.warning("the image has changed: %s, it was %s; pilots that run keep theirs", now, was)
    else:
        log.info("%s", now)
    services.workspace.journal.append("image", image=image.id, name=image.name, made=made, was=was)


def _newest(services: Services) -> Image:
    queue, lists = services.queue, services.lists
    ask = _asking(services.cloud, queue)
    known = lists.remembered(_key(queue), queue.workspace.list_age, ask) if lists else ask()
    image = newest(known, services.clock())
    if image is None:
        problem = f"Instance_Image = {queue.shape.image}: no image has such a name"
        cure = f"correct it, or whose images may be taken; `tfce doctor {queue.label}` looks"
        raise CloudError(problem, reason=Reason(Kind.IMAGE, problem, cure=cure))
    return image


def _asking(cloud: Cloud, queue: Queue) -> Callable[[], list[Image]]:
    shape = queue.shape
    return lambda: cloud.images(shape.image, shape.image_owners, shape.image_visibility)


def _key(queue: Queue) -> tuple[str, ...]:
    shape = queue.shape
    return ("image", shape.image, *shape.image_owners, *shape.image_visibility)
