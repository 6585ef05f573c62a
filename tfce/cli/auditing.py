"""``tfce audit``: record, Terraform state and cloud side by side, of one queue or of all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfce.app import Parts, assemble
from tfce.cli import drifting, tables, terminal
from tfce.config.cfg import load_queue
from tfce.model.errors import TfceError
from tfce.model.plurals import counted
from tfce.pilots.audit import Row

_DONE, _MISMATCH = 0, 1


@dataclass(frozen=True)
class _Found:
    """What an audit of a queue found, and what it asked of the cloud."""

    rows: Collection[Row]
    calls: Mapping[str, int]

    @property
    def mismatches(self) -> int:
        return sum(1 for row in self.rows if row.mismatch)

    def json(self) -> dict[str, Any]:
        return {"rows": [vars(row) for row in self.rows], "mismatches": self.mismatches}

    def text(self) -> str:
        cost = tables.cost(dict(self.calls), 0)
        found = counted(self.mismatches, "mismatch", "mismatches")
        return f"{tables.audit_table(self.rows)}\n{found}; {cost}"


def one(parts: Parts, known: Iterable[str] | None, as_json: bool) -> int:
    """Audit a queue; ``known``: the references that DIRAC knows."""
    found = _audited(parts, known)
    if as_json:
        tables.show_json(found.json())
    else:
        print(found.text())
    return _MISMATCH if found.mismatches else _DONE


def _audited(parts: Parts, known: Iterable[str] | None = None) -> _Found:
    rows = parts.fleet.audit(known)
    return _Found(rows, dict(parts.cloud.calls))


def every(path: Path, names: Iterable[str], as_json: bool) -> int:
    """Audit queues one after the other; one that cannot be audited is an entry, too."""
    codes, told = list[int](), dict[str, Any]()
    for name in names:
        try:
            found = _audited(assemble(load_queue(path, name), announce=terminal.say))
        except TfceError as error:
            codes.append(error.exit_code)
            told[name] = {"error": error.problem, "cure": error.cure}
            text = error.message
        else:
            codes.append(_MISMATCH if found.mismatches else _DONE)
            told[name], text = found.json(), found.text()
        if not as_json:
            print(f"{name}:\n{text}")
    if as_json:
        tables.show_json({"queues": told})
    return drifting.worst(codes)
