"""All that can be said of one pilot: what the journal says, and the end of its VM's console."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tfce.model.entries import Entry
from tfce.model.errors import CloudError
from tfce.model.journals import MissingJournal
from tfce.model.pilot import reference, timestamp
from tfce.model.reasons import Reason
from tfce.model.record import Record, Tombstone
from tfce.model.vm import OVER
from tfce.pilots.consoles import LINES, ConsoleStore, shown
from tfce.pilots.naming import named, unknown, vm_of
from tfce.pilots.services import Services
from tfce.store import other_hosts
from tfce.store.actor import actor


@dataclass(frozen=True)
class PilotLog:
    """``state``: the cloud's word for the VM, or what became of it. ``source``: "cloud" or "kept", where the
    console (None: there is none) is from. ``events``: the journal's entries, as far as they are about it.
    ``trouble``: why the cloud could not be asked; ``kept_on``: the host that kept the console, where it is not
    here; ``missing_journals``: hosts whose journals are not here."""

    key: str
    reference: str
    state: str
    console: str | None
    source: str
    events: list[Entry]
    trouble: str = ""
    kept_on: str = ""
    missing_journals: tuple[MissingJournal, ...] = ()

    def text(self, when: Callable[[str], str] = str) -> str:
        """For people; ``when``: how they are told a time."""
        lines = [f"pilot {self.key or '?'}, {self.reference or 'no VM is known'}: {self.state}"]
        lines += [f"{when(timestamp(event.time))}  {_words(event)}" for event in self.events]
        lines += [f"the cloud could not be asked: {self.trouble}"] if self.trouble else []
        if self.console is None:
            lines.append(self._no_console())
        else:
            whence = {"cloud": "as the cloud shows it now", "kept": "kept when the VM was removed"}[self.source]
            lines += [f"the end of its console, {whence}:", self.console.rstrip("\n")]
        lines += [f"{one}: it may say more" for one in self.missing_journals]
        return "\n".join(lines)

    def _no_console(self) -> str:
        if not self.kept_on:
            return "no console is to be had"
        return f"its console was kept on {self.kept_on}: ask there, or name a copy of its folder with --journals"


def pilot_log(services: Services, text: str, lines: int = LINES) -> PilotLog:
    """The log of the pilot that ``text`` names by reference, stamp or its VM's name; ``lines``: of its console.

    One list and one console while its VM lives, no call when it is known to be removed. Raises
    ``UnknownPilotError``, and ``CloudError`` where only the cloud could tell.
    """
    workspace = services.workspace
    told = other_hosts.merged_journal(workspace)
    journal = told.entries
    record = workspace.load() if workspace.exists else Record("")
    stones = record.tombstones
    key, node_id = named(workspace, text, journal, record)
    node, console, trouble = None, None, ""
    if node_id not in stones:
        try:
            node = vm_of(services.cloud.vms(workspace.any_installation()), key, node_id, text.strip())
            console = services.cloud.console(node.id) if node and node.state not in OVER else None
        except CloudError as error:
            trouble = error.message
    if node is not None:
        key, node_id = key or node.key or node.name, node.id
    kept = ConsoleStore(workspace).anywhere(key) if key else None
    events = [event for event in (entry.about(key, node_id) for entry in journal) if event]
    if node is None and not events and kept is None and node_id not in stones:
        if trouble:
            raise CloudError(trouble)
        raise unknown(workspace, [text])
    found = shown(console, lines) if console and console.strip() else None
    kept = "".join(kept.splitlines(keepends=True)[-lines:]) if kept is not None else None
    return PilotLog(
        key,
        reference(node_id) if node_id else "",
        node.raw_state if node else _fate(node_id, stones, trouble),
        found if found is not None else kept,
        "cloud" if found is not None else "kept" if kept is not None else "",
        events,
        trouble,
        _keeper(events) if found is None and kept is None else "",
        told.missing_journals,
    )


def _keeper(events: Iterable[Entry]) -> str:
    """The host that says that it kept the console; "" where none does, or this one, which has lost it since."""
    hosts = (event.host for event in events if _kept(event.facts.get("vms")))
    return next((host for host in hosts if host and host != actor()["host"]), "")


def _kept(vm: object) -> bool:
    return isinstance(vm, dict) and vm.get("console_kept") is True


def _fate(node_id: str, stones: Mapping[str, Tombstone], trouble: str) -> str:
    if node_id in stones:
        return f"removed ({stones[node_id].state.value})"
    return "nothing is known" if trouble else "the cloud lists no such VM"


_EVENTS = {
    "submit": "asked for",
    "submitted": "came of it:",
    "remove": "to be removed:",
    "removed": "removed:",
    "recovered": "found by a later cycle:",
}


def _words(entry: Entry) -> str:
    said = [text for name, value in entry.more.items() if (text := _said(name, value))]
    made = [f"{entry.spec} of {entry.spec.image or '?'}"] if str(entry.spec) else []
    return " ".join([_EVENTS.get(entry.event, entry.event), *said, *made])


def _said(field: str, value: object) -> str:
    """What one field of a line says. A line that somebody else wrote may hold anything."""
    if field in ("keys", "made", "shape"):
        return ""
    if field == "created":
        return f"created as {reference(str(value))}"
    if field == "failed":
        return f"failed: {_reason(value)}"
    if field == "pilots":
        return str(value)
    if field == "vms" and isinstance(value, Mapping):
        lived = "" if value.get("lived_s") is None else f", lived {value['lived_s']} s"
        return f"{value.get('reason', '?')}{lived}"
    return field.replace("_", " ")


def _reason(value: object) -> object:
    try:
        return Reason.from_json(value)
    except ValueError:
        return value
