"""Terraform's plan of one new pilot of a shape, without login, cloud or workspace: for policies on a pull request.

The cloud is a stand-in that takes each name for its own id; so the plan says what was written, not what is there.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, cast

from tfce.cloud.api import Cloud
from tfce.config.credentials import Credentials
from tfce.config.options import Queue
from tfce.config.settings import ReviewOptions
from tfce.model.errors import ConfigError
from tfce.model.images import Image
from tfce.model.pilot import Pilot
from tfce.store.workspace import Workspace
from tfce.terraform import variables
from tfce.terraform.bulk import Bulk
from tfce.terraform.modules import module_for

_KEY = "00000000"


class OfflineCloud:
    """A cloud that asks nothing: each name that is looked up stands for itself."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def clone(self) -> Self:
        """Another one."""
        return type(self)()

    def token(self) -> str:
        """There is no login."""
        return ""

    def find(self, kind: str, name: str, owners: tuple[str, ...] = ()) -> list[str]:
        """The thing of that name."""
        return [f"name:{name}"]

    def images(self, wanted: str, owners: Collection[str] = (), visible: Collection[str] = ()) -> list[Image]:
        """The image of that name."""
        return [Image(wanted, wanted)]


def plan(queue: Queue, announce: Callable[[str], None]) -> str:
    """``terraform show -json`` of a plan that makes one pilot of ``queue`` from nothing."""
    if not module_for(queue).bulk:
        problem = "the cloud's own provider plans nothing without a login"
        raise ConfigError(
            "--show-json", str(queue.terraform.module), problem, "use Terraform_Module = bulk, or none"
        )
    with tempfile.TemporaryDirectory(prefix="tfce-") as folder:
        workspace = Workspace(_elsewhere(queue, Path(folder)))
        terraform = Bulk(workspace, Credentials("", ""), announce, clone=_connection)
        with workspace.locked():
            record = workspace.prepare()
            terraform.prepare()
            variables.write(workspace)
            pilot = Pilot(_KEY, datetime.now(UTC).replace(microsecond=0), "pull request")
            workspace.save(record.including([pilot]))
            return terraform.shown()


def _connection() -> Cloud:
    return cast("Cloud", OfflineCloud())  # a plan looks names up, and asks nothing else


def _elsewhere(queue: Queue, folder: Path) -> Queue:
    """``queue`` with a workspace of its own, for this once."""
    place = replace(queue.workspace, root=folder / "root", files=folder / "files", installation="pull-request")
    return replace(queue, workspace=place, review=ReviewOptions("off", None, 0))
