"""Several hosts that serve one queue, over one sky and one backend: each has a folder of its own."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.edges import FakeEdge, Parts
from tests.fakes import FakeCloud, FakeTerraform
from tests.shared import FileCopies, Ticks
from tfce.model.errors import BackendError
from tfce.pilots.fleet import Fleet
from tfce.store.shared import Shared
from tfce.store.together import Together
from tfce.store.workspace import Workspace
from tfce.terraform.copies import lease_seconds


class SharedTerraform(FakeTerraform):
    """Whose state is in the backend, and whose VMs are asked for only in the host's turn."""

    copies: FileCopies

    @property
    def state_file(self) -> Path:
        return self.copies.path.parent / "pilots.tfstate"

    def instances(self):  # type: ignore[no-untyped-def]
        if self.copies.down:
            raise BackendError("the backend is down")
        return super().instances()

    def _create(self, key, applied):  # type: ignore[no-untyped-def]
        self._workspace.check_turn()
        return super()._create(key, applied)

    def _create_batch(self, batch, applied):  # type: ignore[no-untyped-def]
        self._workspace.check_turn()
        return super()._create_batch(batch, applied)


@dataclass
class FileStates:
    """The states of all queues of the CE, in folders of a backend."""

    folder: Path
    down: bool = False

    def names(self) -> list[str]:
        return [f"cloud.example.org.{path.name}.record" for path in self.folder.iterdir()]

    def at(self, name: str) -> FileCopies:
        queue = name.removeprefix("cloud.example.org.").removesuffix(".record")
        found = FileCopies(self.folder / (queue or "the whole CE") / "record.json")
        found.down = self.down
        return found


class Hosts(FakeEdge):
    """Fresh parts come from one host after the other, or from the one that is named. ``ticks``: each host's own
    clock since it started."""

    def __init__(self, folder: Path, batch: int = 1, names: str = "ab") -> None:
        super().__init__(folder, batch)
        self._turns = itertools.cycle(names)
        self.ticks = {name: Ticks() for name in "abc"}
        self.copies: dict[tuple[str, str], FileCopies] = {}
        self.down: set[str] = set()

    def parts(self, queue: str = "long", host: str = "", **options: str) -> Parts:
        host = host or next(self._turns)
        shared = {"Terraform_Backend": "http", "Terraform_Module": "bulk", **options}
        wanted = self.queue(queue, {**shared, "Workspace_Root": str(self.folder / host)})
        workspace = Workspace(wanted, self.sky.clock)
        copies = FileCopies(self.folder / "backend" / queue / "record.json")
        copies.down = host in self.down
        self.copies[host, queue] = copies
        if any(one.whole_ce for one in wanted.allowance.allocations):
            states = FileStates(self.folder / "backend", copies.down)
            folder = workspace.root / "together"
            start, seconds = f"{wanted.ce}.", lease_seconds(wanted)
            ticks: Any = self.ticks[host]
            workspace.together = Together(folder, wanted, start, workspace.name, states, seconds, ticks)
        workspace.shared = Shared(
            workspace.file,
            wanted.label,
            copies,
            lease_seconds(wanted),
            0,
            self.ticks[host],  # type: ignore[arg-type]
        )
        terraform, cloud = SharedTerraform(workspace, self.sky, self.batch), FakeCloud(self.sky)
        terraform.copies = copies
        return Parts(workspace, terraform, cloud, Fleet(workspace, terraform, cloud, self.sky.clock))

    def pass_lease(self, host: str) -> None:
        """Let a lease's time pass on ``host``, which looks at the queue before."""
        self.ticks[host].seconds += lease_seconds(self.queue("long", {"Terraform_Backend": "http"})) + 1
