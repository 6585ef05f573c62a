"""Pilots, their keys and references. Pure: no input or output, standard library only."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import secrets
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tfce.model.vm_spec import VMSpec

REFERENCE_PREFIX = "cloud://"
_KEY = re.compile(r"[0-9A-F]{8}")
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_TIMES = 4096  # that are remembered: pilots come many in a second, and ten thousand are read and written again


@dataclass(frozen=True, order=True)
class Pilot:
    """One VM that is wanted. ``key``: 8 upper-case hex digits, also the pilot's stamp; ``requested_at``: when it
    was asked for (UTC, whole seconds, by the host's clock); ``submission_id``: the submission it came with;
    ``id``: of its VM, "" until it is known; ``spec``: what the VM is made of."""

    key: str
    requested_at: datetime
    submission_id: str
    id: str = ""
    spec: VMSpec = field(default_factory=VMSpec)


def scale_text(pilots: Mapping[str, Pilot], installation: str) -> str:
    """The text of ``scale.tfvars.json``, which Terraform and reviewers read: whose pilots, sorted, one a line."""
    lines = [
        f'    "{key}": {{"born": "{timestamp(one.requested_at)}", "submission": {_quoted(one.submission_id)}}}'
        for key, one in sorted(pilots.items())
    ]
    body = "{\n" + ",\n".join(lines) + "\n  }" if lines else "{}"
    head = f'"installation": {json.dumps(installation)},\n  "instance_count": {len(pilots)}'
    return f'{{\n  {head},\n  "pilots": {body}\n}}\n'


_quoted = functools.lru_cache(_TIMES)(json.dumps)


@functools.lru_cache(_TIMES)
def moment(text: str) -> datetime:
    """The time in ``text`` (``2026-01-31T12:00:00Z``), aware, UTC."""
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


@functools.lru_cache(_TIMES)
def timestamp(when: datetime) -> str:
    """``when`` as ``2026-01-31T12:00:00Z``."""
    return when.astimezone(UTC).strftime(_TIME)


def fresh_keys(count: int, taken: Container[str]) -> list[str]:
    """``count`` random keys, none of them in ``taken``, none twice."""
    keys: dict[str, None] = {}
    while len(keys) < count:
        key = secrets.token_hex(4).upper()
        if key not in taken:
            keys[key] = None
    return list(keys)


@dataclass(frozen=True)
class Batch:
    """Pilots whose VMs are asked for in one API call, and so get the same user data and the same tags.
    ``name``: 8 upper-case hex digits; ``size``: how many. A pilot's key is made of the name and of the VM's
    number in the call (from 0). The cloud's list and the VM itself both know that number."""

    name: str
    size: int

    @property
    def keys(self) -> tuple[str, ...]:
        """The pilots' keys, in the order of their numbers."""
        return tuple(numbered_key(self.name, number) for number in range(self.size))

    @property
    def rule(self) -> str:
        """What the user data has where a single pilot's has its stamp; the VM puts its number for the #."""
        return f"{self.name}-#"

    @property
    def label(self) -> str:
        """Its name in a folder, from which ``parse`` makes it again."""
        return f"{self.name}-{self.size}"

    @classmethod
    def parse(cls, label: str) -> Batch | None:
        """The batch that ``label`` stands for, or None for any other text."""
        found = re.fullmatch(r"([0-9A-F]{8})-([1-9]\d{0,4})", label)
        return cls(found.group(1), int(found.group(2))) if found else None


@dataclass(frozen=True)
class Single:
    """One pilot that is asked for by itself, in the words of a ``Batch``."""

    label: str

    @property
    def rule(self) -> str:
        """Its stamp."""
        return self.label

    @property
    def keys(self) -> tuple[str, ...]:
        """Its key."""
        return (self.label,)


def numbered_key(batch: str, number: int) -> str:
    """The key of a batch's VM with this number. templates/default/stamp.sh does the same on the VM."""
    return hashlib.sha256(f"{batch}-{number}".encode()).hexdigest()[:8].upper()


def fresh_batches(count: int, largest: int, taken: Container[str]) -> list[Batch]:
    """Batches of at most ``largest`` pilots, ``count`` in all, none of whose keys is in ``taken`` or occurs
    twice."""
    batches: list[Batch] = []
    used: set[str] = set()
    while count > 0:
        batch = Batch(secrets.token_hex(4).upper(), min(count, largest))
        keys = set(batch.keys)
        if len(keys) == batch.size and not keys & used and not any(key in taken for key in keys):
            batches.append(batch)
            used |= keys
            count -= batch.size
    return batches


def is_key(text: str) -> bool:
    """Whether ``text`` is a pilot's key."""
    return _KEY.fullmatch(text) is not None


def reference(instance_id: str) -> str:
    """The pilot reference DIRAC knows: ``cloud://<instance id>``."""
    return REFERENCE_PREFIX + instance_id


def instance_id(reference: str) -> str:
    """The instance id in a pilot reference; old DIRACs append ``:::<stamp>``, bare ids are taken too."""
    return reference.strip().removeprefix(REFERENCE_PREFIX).split(":::", 1)[0]
