"""Several hosts that serve one queue, over one sky and one backend: each has a folder of its own."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path
from typing import Any

from tests.contract.edges import FakeEdge, Parts
from tests.fakes import FakeCloud, FakeTerraform
from tests.shared import BootClock, FileDocumentStore
from tfce.model.errors import BackendError
from tfce.model.pilot import Batch
from tfce.model.reasons import Reason
from tfce.model.reconcile import Instance
from tfce.pilots.fleet import Fleet
from tfce.store.shared_ce import SharedCE
from tfce.store.shared_document import Revision
from tfce.store.shared_record import SharedRecord
from tfce.store.whose import Whose
from tfce.store.workspace import Workspace
from tfce.terraform.document_store import lease_seconds
from tfce.terraform.results import Applied

CE = "the whole CE"  # where the backend has the CE's own record


class SharedTerraform(FakeTerraform):
    """Whose state is in the backend, and whose VMs are asked for only in the host's turn."""

    documents: FileDocumentStore

    @property
    def state_file(self) -> Path:
        return self.documents.path.parent / "pilots.tfstate"

    def instances(self) -> dict[str, Instance]:
        if self.documents.down:
            raise BackendError("the backend is down")
        return super().instances()

    def _create(self, key: str, applied: Applied) -> Reason | None:
        self._workspace.check_lease()
        return super()._create(key, applied)

    def _create_batch(self, batch: Batch, applied: Applied) -> Reason | None:
        self._workspace.check_lease()
        return super()._create_batch(batch, applied)


class ObservedStore(FileDocumentStore):
    """Whose pulls and pushes (those of a lease by that name) are among the ``steps``, with the folder's name."""

    def __init__(self, path: Path, steps: list[tuple[str, str]]) -> None:
        super().__init__(path)
        self._steps = steps

    def pull(self) -> Revision | None:
        self._steps.append(("pull", self.path.parent.name))
        return super().pull()

    def push(self, held: Revision) -> None:
        self._steps.append(("lease" if '"holder"' in held.text else "push", self.path.parent.name))
        super().push(held)


class Hosts(FakeEdge):
    """Fresh parts come from one host after the other, or from the one that is named. ``ticks``: each host's own
    clock since it started."""

    def __init__(self, folder: Path, batch: int = 1, names: str = "ab") -> None:
        super().__init__(folder, batch)
        self._turns = itertools.cycle(names)
        self.ticks = {name: BootClock() for name in "abc"}
        self.documents: dict[tuple[str, str], FileDocumentStore] = {}
        self.down: set[str] = set()
        self.backend = folder / "backend"

    def parts(self, queue: str = "long", host: str = "", **options: str) -> Parts:
        host = host or next(self._turns)
        shared = {"Terraform_Backend": "http", "Terraform_Module": "bulk", **options}
        wanted = self.queue(queue, {**shared, "Workspace_Root": str(self.folder / host)})
        workspace = Workspace(wanted, self.sky.clock)
        documents = self.documents[host, queue] = self._documents(host, f"{wanted.ce}.{queue}.record")
        seconds = lease_seconds(wanted)
        folder = workspace.root / "together" / wanted.ce / "here"
        ticks: Any = self.ticks[host]
        workspace.shared_ce = SharedCE(
            folder, wanted, workspace.name, partial(self._documents, host), f"{wanted.ce}.", seconds, ticks
        )
        workspace.shared = SharedRecord(
            workspace.file,
            Whose.of(wanted),
            documents,
            lease_seconds(wanted),
            0,
            self.ticks[host],  # type: ignore[arg-type]
        )
        terraform, cloud = SharedTerraform(workspace, self.sky, self.batch), FakeCloud(self.sky)
        terraform.documents = documents
        return Parts(workspace, terraform, cloud, Fleet(workspace, terraform, cloud, self.sky.clock))

    def _documents(self, host: str, name: str) -> ObservedStore:
        """What ``host`` reads and writes of the state ``name``."""
        queue = name.removeprefix("cloud.example.org.").removesuffix(".record")
        found = ObservedStore(self.backend / (queue or CE) / "record.json", self.sky.steps)
        found.down = host in self.down
        return found

    def pass_lease(self, host: str) -> None:
        """Let a lease's time pass on ``host``, which looks at the queue before."""
        self.ticks[host].seconds += lease_seconds(self.queue("long", {"Terraform_Backend": "http"})) + 1
