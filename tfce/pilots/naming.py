"""Which pilot a person means by its reference, its stamp, or its VM's name."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tfce.model.entries import Entry, entries
from tfce.model.errors import TfceError
from tfce.model.pilot import REFERENCE_PREFIX, instance_id, is_key, numbered_key
from tfce.model.record import Record
from tfce.model.vm import VM, precedence
from tfce.pilots.services import Services
from tfce.store.workspace import Workspace

_IN_BATCH = re.compile(r"([0-9A-F]{8})(?:-([1-9]\d{0,4}))?")


class UnknownPilotError(TfceError):
    """Nobody knows such a pilot."""

    exit_code = 2
    kind = "pilot"
    slip = True


def unknown(workspace: Workspace, texts: Iterable[str]) -> UnknownPilotError:
    """The error about ``texts``, which name no pilot."""
    names, label = [text.strip() for text in texts], workspace.queue.label
    what = "is no pilot" if len(names) == 1 else "are no pilots"
    problem = f"{', '.join(names)} {what} of {label} that its workspace or the cloud knows"
    return UnknownPilotError(problem, f"`tfce status {label}` lists them")


def named(workspace: Workspace, text: str, journal: Iterable[Entry], record: Record) -> tuple[str, str]:
    """Key and instance id of the pilot that ``text`` names by reference, stamp or its VM's name, as far as the
    workspace knows them; else empty."""
    ids = _ids(journal, record)
    buried = {one.id: one.key for one in record.tombstones.values()}
    keys = {node_id: key for key, node_id in ids.items()} | buried
    word = text.strip()
    plain = word.removeprefix(workspace.queue.workspace.name_prefix).upper()
    candidates = [] if word.startswith(REFERENCE_PREFIX) else _keys(plain)
    if candidates:
        known = [key for key in candidates if key in ids or key in record.pilots]
        key = (known or candidates)[0]
        return key, ids.get(key, "")
    node_id = instance_id(word)
    stamp = word.partition(":::")[2]
    return keys.get(node_id, stamp if is_key(stamp) else ""), node_id


def _keys(word: str) -> list[str]:
    """The keys that a stamp or a VM's name may mean: VMs of a batch are called after it, and numbered from 1."""
    found = _IN_BATCH.fullmatch(word)
    if found is None:
        return []
    if found[2]:
        return [numbered_key(found[1], int(found[2]) - 1)]
    return [word, numbered_key(word, 0)]


def _ids(journal: Iterable[Entry], record: Record) -> dict[str, str]:
    """The VM of each pilot that is known."""
    ids = {stone.key: node_id for node_id, stone in record.tombstones.items()}
    for entry in journal:  # overrides the tombstones, which may have a second VM of the same key
        ids |= entry.created if entry.event == "submitted" else {}
    return ids | {key: pilot.id for key, pilot in record.pilots.items() if pilot.id}


def vm_of(vms: Iterable[VM], key: str, node_id: str, name: str = "") -> VM | None:
    """The VM of this id, else of this key, else of this name."""
    found = list(vms)
    if node_id and (one := next((vm for vm in found if vm.id == node_id), None)):
        return one
    mine = [vm for vm in found if (key and vm.key == key) or (name and vm.name == name)]
    return min(mine, key=precedence, default=None)


def ids_of(services: Services, texts: Iterable[str]) -> list[str]:
    """The VMs that ``texts`` name, each once. Words that are no reference, and that no file knows, are asked after
    in one list. Raises ``UnknownPilotError`` where a stamp or name is nobody's."""
    words = list(dict.fromkeys(text.strip() for text in texts))
    found = {word: instance_id(word) for word in words if word.startswith(REFERENCE_PREFIX)}
    rest = [word for word in words if word not in found]
    if rest:
        found |= _looked_up(services, rest)
    return list(dict.fromkeys(found[word] for word in words))


def _looked_up(services: Services, words: list[str]) -> dict[str, str]:
    workspace = services.workspace
    workspace.refresh()  # another host may have started them
    record = (workspace.file.salvaged() if workspace.exists else None) or Record("")
    journal = list(entries(workspace.journal.entries())) if workspace.exists else []
    told = {word: named(workspace, word, journal, record) for word in words}
    found = {word: node_id for word, (key, node_id) in told.items() if node_id and key}
    open_ = [word for word in words if word not in found]
    if open_:
        vms = list(services.cloud.vms(workspace.any_installation()))
        for word in open_:
            key, node_id = told[word]
            vm = vm_of(vms, key, node_id, word)
            found[word] = vm.id if vm else node_id
    nobody = [word for word in words if not found[word]]
    if nobody:
        raise unknown(workspace, nobody)
    return found
