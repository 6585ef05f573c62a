"""Whose a record is. A host's options say which queue of which installation it serves; what another one's wrote
is neither read into its files nor written over."""

from __future__ import annotations

from dataclasses import dataclass

from tfce.config import backend_faults
from tfce.config.options import Queue
from tfce.model.errors import ConfigError
from tfce.model.lease import BackendId
from tfce.model.record import Record

_UNTOUCHED = "nothing was copied or written, no pilot was touched"


class NotOursError(ConfigError):
    """A record is whole, and not this host's to use: another installation's, another queue's, or elsewhere by now.
    It is never taken for damage."""


@dataclass(frozen=True)
class Whose:
    """Whose a record must be: of the queue, or of the CE, ``label``, and of the ``installation``. ``file`` and
    ``root``: what Terraform_BackendFile and Workspace_Root are."""

    label: str
    installation: str
    file: str = ""
    root: str = ""

    @classmethod
    def of(cls, queue: Queue, label: str = "") -> Whose:
        """As the options of ``queue`` say; ``label``: its CE's, for the CE's own record."""
        file, root = queue.terraform.backend_file, queue.workspace.root
        return cls(label or queue.label, queue.workspace.installation, str(file), str(root))

    def check(self, label: str, record: Record, backend_id: BackendId) -> None:
        """Raise ``NotOursError`` where the ``record`` of ``label`` in a backend is not this host's to use."""
        found, wanted = record.installation, self.installation
        if (label, found) == (self.label, wanted):
            return
        pilots = f", {len(record.pilots)} pilots," if record.pilots else ""
        problem = f"{backend_id} has the record of {label}{pilots} of the installation {found}"
        wants = f"this host serves {self.label} of {wanted}"
        own = backend_faults.own_place(backend_id.name)
        cure = f"name a place of its own ({own}) in [{backend_id.name}] of Terraform_BackendFile"
        if label == self.label:
            cure = f"set Workspace_Installation = {found} where this host is to serve that one; else {cure}"
        raise NotOursError(
            "Workspace_Installation, Terraform_BackendFile",
            f"{wanted}, {self.file}",
            f"{problem}, and {wants}; {_UNTOUCHED}",
            cure,
        )

    def kept(self, record: Record) -> Record:
        """``record``, as this host's own file has it, for the installation of the options. Raises the same where
        its pilots are another's; where it has none, the queue goes on under the new name."""
        found, wanted = record.installation, self.installation
        if not wanted or wanted == found:
            return record
        if not record.pilots:
            return Record(wanted, tombstones=record.tombstones, generation=record.generation, usage=record.usage)
        raise NotOursError(
            "Workspace_Installation, Workspace_Root",
            f"{wanted}, {self.root}",
            f"{len(record.pilots)} pilots of {self.label} have {found}; {_UNTOUCHED}",
            f"set Workspace_Installation = {found} until they have ended, or name another Workspace_Root",
        )
