"""What Terraform reads of a queue beside its module, and the copies of it that reviewers see."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tfce.store import files, takeover
from tfce.store.review_copies import REST, SCALE, VARIABLES, ReviewCopies


class VariableFiles:
    """The files of variables in ``folder``. ``contexts``: the folder of user data, as Terraform is told of it."""

    def __init__(self, folder: Path, copies: ReviewCopies, contexts: Callable[[], str]) -> None:
        self._folder, self._copies, self._contexts = folder, copies, contexts
        self.scale_file = folder / takeover.SCALE_FILE
        self._shape_file = folder / "queue.auto.tfvars"
        self._offering_file = folder / "run.auto.tfvars.json"  # Terraform reads them in this order

    def write_scale(self, text: str) -> None:
        """Write the variables that the record decides, where they differ."""
        files.renew(self.scale_file, text)

    def write_shape(self, text: str) -> None:
        """Write the variables that the options decide, for Terraform and for reviewers, where they differ."""
        files.renew(self._shape_file, text)
        files.renew(self._folder / "here.auto.tfvars.json", json.dumps({"contexts": self._contexts()}) + "\n")
        self.publish()

    @property
    def offering(self) -> str | None:
        """The variables that override the shape's, None for none."""
        return files.believed(self._offering_file)

    def write_offering(self, text: str | None) -> None:
        """Let the variables in ``text`` override the shape's; None: the shape alone counts."""
        if text is None:
            files.remove(self._offering_file)
        else:
            files.renew(self._offering_file, text)

    def write_rest(self, text: str) -> None:
        """Write what else a pilot's VM is made of, for reviewers; see ``tfce.review.shape``."""
        files.renew(self._folder / REST, text)

    def publish(self) -> list[Path]:
        """Bring the reviewers' copies up to date; the files that changed."""
        sources = {VARIABLES: self._shape_file, REST: self._folder / REST, SCALE: self.scale_file}
        return self._copies.publish({name: files.believed(path) for name, path in sources.items()})
