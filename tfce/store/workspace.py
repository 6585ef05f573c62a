"""The folder of one queue: roster, ledger, journal, contexts, Terraform's files, and the reviewers' copies.

``private`` (rights 0700) is what tfce believes; ``review`` holds copies for people and git. A copy that
somebody reverts, edits or empties therefore changes no pilot: the next write puts it right.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tfce.config import trust
from tfce.config.options import Queue
from tfce.model.errors import ConfigError, WorkspaceError
from tfce.model.pilot import Pilot, Roster, moment, timestamp
from tfce.model.redact import within
from tfce.model.verdict import Removal
from tfce.model.vm import Owner, State
from tfce.store import files, locks
from tfce.terraform import variables

_JOURNAL_SIZE = 4_000_000  # bytes; one older journal of this size is kept
_LEDGER_SIZE = 5_000  # removed pilots whose last state is remembered


def slug(name: str) -> str:
    """``name`` as a folder and Terraform workspace name: readable, and different for different names."""
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", name) if name.strip(".") == "" else re.sub(r"[^A-Za-z0-9._-]", "_", name)
    if safe == name and len(name) <= 80:
        return name
    return f"{safe[:70]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class Workspace:
    """The files of one queue. Methods that write want the lock held; reading needs none."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.root: Path = queue.workspace.root
        self.private: Path = self.root / "queues" / slug(queue.ce) / slug(queue.name)
        self.review: Path = queue.workspace.files / slug(queue.ce) / slug(queue.name)
        self.contexts = self.private / "contexts"
        self.name = f"{slug(queue.ce)}.{slug(queue.name)}"
        self._roster_file: Path = self.private / "scale.auto.tfvars.json"
        self._shape_file = self.private / "queue.auto.tfvars"
        self._intent_file = self.private / "intent.json"
        self._ledger_file = self.private / "ledger.json"
        self._doubt_file = self.private / "doubt"
        self._cooldown_file = self.private / "cooldown.json"
        self._journal_file = self.private / "journal.jsonl"

    # -- who and where ------------------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether this host has ever submitted to the queue, as far as this user may know."""
        try:
            return self._roster_file.exists()
        except PermissionError:
            return False

    def owner(self) -> Owner:
        """Whose VMs these are; makes the installation's name when it has none yet."""
        return Owner(self._installation(), self.queue.ce, self.queue.name, self.queue.workspace.adopt_prefix)

    def guest(self) -> Owner:
        """The same for a host or user without access to the workspace: whichever installation's."""
        return Owner("", self.queue.ce, self.queue.name, self.queue.workspace.adopt_prefix)

    def _installation(self) -> str:
        named: str = self.queue.workspace.installation
        if named:
            return named
        path = self.root / "installation"
        if not path.exists():
            files.private_folder(self.root)
            with locks.exclusive(self.root / "installation.lock", 10, str(path)):
                if not path.exists():
                    files.write(path, secrets.token_hex(6) + "\n")
        text = (files.read(path) or "").strip()
        if not re.fullmatch(r"[A-Za-z0-9._-]+", text):
            raise WorkspaceError(
                f"{path}: holds no installation name; put it back, the tags of running VMs have it"
            )
        return text

    def prepare(self) -> None:
        """Make the folders; refuse a queue whose pilots live in another cloud than its options now name."""
        self._make_folders()
        files.private_folder(self.contexts)
        home = self.private / "home"
        known = (files.read(home) or "").strip()
        if known and known != self.queue.endpoint.home and len(self.roster()):
            raise ConfigError(
                "CloudType, Driver_*",
                self.queue.endpoint.home,
                f"{len(self.roster())} pilots of {self.queue.label} live in {known}",
                "put the options back until they have ended, or configure another queue for the new cloud",
            )
        if known != self.queue.endpoint.home:
            files.write(home, self.queue.endpoint.home + "\n")
        if not self._roster_file.exists():
            if any(self.private.glob("terraform.tfstate.d/*/terraform.tfstate")):
                raise WorkspaceError(
                    f"{self._roster_file}: is missing though there is a Terraform state; no pilot was touched. "
                    "Put it back, or run `tfce repair CE/QUEUE` to rebuild it from the state and the cloud"
                )
            files.write(self._roster_file, Roster().dump())

    def _make_folders(self) -> None:
        ce = self.private.parent
        for folder in (self.root, ce.parent, ce, self.private):
            files.private_folder(folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the queue's only writer; raises ``BusyError`` after Workspace_LockTimeout seconds."""
        self._make_folders()
        with locks.exclusive(self.private / "lock", self.queue.workspace.lock_timeout, self.queue.label):
            yield

    # -- the roster and what was meant with it -------------------------------------------------------------

    def roster(self) -> Roster:
        """The pilots that shall exist; raises ``WorkspaceError`` where the file cannot be believed."""
        text = files.read(self._roster_file)
        return Roster() if text is None else Roster.load(text, str(self._roster_file))

    def save_roster(self, roster: Roster) -> None:
        """Write the roster, then the reviewers' copy of it."""
        files.write(self._roster_file, roster.dump())
        self.publish()

    def begin(self, action: str, keys: Iterable[str]) -> None:
        """Put on disk what is about to be asked of the cloud; ``settled`` takes it away again."""
        now = timestamp(datetime.now(UTC))
        files.write_json(self._intent_file, {"action": action, "keys": sorted(keys), "since": now})

    def intent(self) -> dict[str, Any]:
        """What was begun and never settled: an earlier process died. Empty when all is well."""
        return files.read_json(self._intent_file)

    def settled(self) -> None:
        """The roster, the state and the cloud agree again."""
        files.remove(self._intent_file)

    # -- what became of pilots -----------------------------------------------------------------------------

    def ledger(self) -> dict[str, dict[str, str]]:
        """Removed pilots by instance id: key, reason, state (DIRAC's word), when."""
        return files.read_json(self._ledger_file)

    def used_keys(self) -> frozenset[str]:
        """The keys of removed pilots, which no new pilot may get."""
        return frozenset(entry["key"] for entry in self.ledger().values())

    def dismiss(self, removals: Iterable[Removal]) -> None:
        """Record, before anything is destroyed, that these pilots are no longer wanted, and why."""
        now = timestamp(datetime.now(UTC))
        ledger = self.ledger()
        for removal in removals:
            # One that is only believed to be gone must not count as dismissed, should it turn up again.
            if removal.standing is not None and removal.node is not None:
                old = ledger.get(removal.node.id, {})
                entry = {
                    "key": removal.key,
                    "reason": removal.reason,
                    "state": removal.state.value,
                    "when": now,
                }
                ledger[removal.node.id] = old or entry
        newest = sorted(ledger, key=lambda node: ledger[node]["when"], reverse=True)[:_LEDGER_SIZE]
        files.write_json(self._ledger_file, {node: ledger[node] for node in newest})

    def last_states(self) -> Mapping[str, State]:
        """The last known state of removed pilots, by instance id."""
        return {node: State(entry["state"]) for node, entry in self.ledger().items()}

    def record(self, event: str, **facts: Any) -> None:
        """Append one line to the journal: what was done to which pilots, when and why."""
        entry = within({"time": timestamp(datetime.now(UTC)), "event": event, **facts})
        line = json.dumps(entry, sort_keys=True)
        with files.explained(self._journal_file, "written"):
            if self._journal_file.exists() and self._journal_file.stat().st_size > _JOURNAL_SIZE:
                self._journal_file.replace(self._journal_file.with_suffix(".old.jsonl"))
            self._journal_file.touch(files.PRIVATE_FILE)
            with self._journal_file.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")

    def journal(self) -> list[dict[str, Any]]:
        """What was recorded, the oldest first, as far as it was kept."""
        found: list[Any] = []
        for path in (self._journal_file.with_suffix(".old.jsonl"), self._journal_file):
            for line in (files.read(path) or "").splitlines():
                with suppress(ValueError):  # a line that a crash tore
                    found.append(json.loads(line))
        return [entry for entry in found if isinstance(entry, dict)]

    # -- doubt and damage ----------------------------------------------------------------------------------

    def doubt_age(self, now: datetime) -> float:
        """Seconds since the cloud's list first showed none of the pilots; the first call starts the count."""
        known = (files.read(self._doubt_file) or "").strip()
        if not known:
            files.write(self._doubt_file, timestamp(now) + "\n")
            return 0.0
        return (now - moment(known)).total_seconds()

    def forget_doubt(self) -> None:
        """The cloud's list shows our pilots again."""
        files.remove(self._doubt_file)

    # -- cooling down --------------------------------------------------------------------------------------

    def cool(self, reason: str, now: datetime) -> None:
        """One more submission in a row met a cloud without room. From the second on, none is tried for
        Workspace_Cooldown seconds; twice as long after each further one, up to eight times."""
        failures = int(self._cooldown().get("failures", 0)) + 1
        rest = self.queue.workspace.cooldown * min(2 ** max(failures - 2, 0), 8) if failures > 1 else 0
        until = timestamp(now + timedelta(seconds=rest))
        entry = {"failures": failures, "reason": reason, "since": timestamp(now), "until": until}
        files.write_json(self._cooldown_file, entry)

    def warm(self) -> None:
        """The cloud has room again."""
        files.remove(self._cooldown_file)

    def cooling(self, now: datetime) -> str:
        """Why and until when nothing is submitted; empty when there is no reason not to."""
        known = self._cooldown()
        if not known or now >= moment(known["until"]):
            return ""
        return f"cools down until {known['until']} after {known['failures']} failures in a row: {known['reason']}"

    @property
    def tight_since(self) -> datetime | None:
        """When the cloud last had no room, or None where it was not tried since or had some."""
        since = self._cooldown().get("since")
        return moment(since) if since else None

    def _cooldown(self) -> dict[str, Any]:
        return files.read_json(self._cooldown_file)

    def put_aside_damaged(self) -> list[str]:
        """Rename roster, ledger and intent files that cannot be read; what was done, for people."""
        done: list[str] = []
        for path, reader in (
            (self._roster_file, self.roster),
            (self._ledger_file, self.ledger),
            (self._intent_file, self.intent),
        ):
            try:
                reader()
            except WorkspaceError:
                done.append(f"put {path.name} aside as {self._put_aside(path).name}")
        if not self._roster_file.exists():
            files.write(self._roster_file, Roster().dump())
        return done

    def put_aside_state(self) -> None:
        """Rename the Terraform state: it cannot be read."""
        state = self.private / "terraform.tfstate.d" / self.name / "terraform.tfstate"
        if state.exists():
            self._put_aside(state)

    @staticmethod
    def _put_aside(path: Path) -> Path:
        # Terraform reads every file that ends in .tf or .auto.tfvars.json: the ending must change.
        aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        with files.explained(path, "renamed"):
            path.rename(aside)
        return aside

    # -- contexts ------------------------------------------------------------------------------------------

    def write_contexts(self, contexts: Mapping[str, bytes]) -> None:
        """Put the user data of each new pilot or batch (by key or label) where Terraform reads it; they may hold a
        proxy."""
        for name, data in contexts.items():
            files.write(self.contexts / name, data)

    def forget_contexts(self) -> None:
        """Delete all user data: a VM that exists needs no copy of it here."""
        for path in list(self.contexts.glob("*")):
            files.remove(path)

    # -- what Terraform and reviewers read -----------------------------------------------------------------

    def render(self) -> None:
        """Write ``queue.tfvars`` from the options where it differs, for Terraform and for reviewers."""
        text = variables.render(self.queue, self.owner())
        if files.read(self._shape_file) != text:
            files.write(self._shape_file, text)
        settings = json.dumps({"contexts": str(self.contexts)}) + "\n"
        if files.read(self.private / "here.auto.tfvars.json") != settings:
            files.write(self.private / "here.auto.tfvars.json", settings)
        self.publish()

    def publish(self) -> list[Path]:
        """Bring the reviewers' copies up to date; the files that changed."""
        reviewed = self._reviewed()
        changed = [path for path, text in reviewed.items() if self._copy(path) != text]
        for path in changed:
            with files.explained(path, "made"):
                path.parent.mkdir(parents=True, exist_ok=True)
            files.write(path, reviewed[path], 0o644)
        return changed

    def outdated(self) -> str:
        """A unified diff from the reviewers' files to what they should say; empty when up to date."""
        lines: list[str] = []
        for path, text in self._reviewed().items():
            old = (self._copy(path) or "").splitlines(keepends=True)
            lines += difflib.unified_diff(
                old, text.splitlines(keepends=True), str(path), f"{path} (as it should be)"
            )
        return "".join(lines)

    def _copy(self, path: Path) -> str | None:
        """What a reviewers' file says. A link there may have come with somebody's commit: it is not followed."""
        with files.explained(path, "read"):
            return trust.read_beneath(self.queue.workspace.files, path)

    def _reviewed(self) -> dict[Path, str]:
        return {
            self.review / "queue.tfvars": variables.render(self.queue, self.owner()),
            self.review / "scale.tfvars.json": self.roster().dump(),
        }

    def enlist(self, keys: Iterable[str], born: datetime, batch: str) -> list[Pilot]:
        """Pilots for ``keys``, all born now."""
        return [Pilot(key, born, batch) for key in keys]
