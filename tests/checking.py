"""What the suites on real APIs check and wait for."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout, suppress
from datetime import datetime
from io import StringIO
from pathlib import Path

from tests.claims import some
from tests.site import AnySite
from tfce.cli import planning
from tfce.config.cfg import load_queue
from tfce.pilots.history import HistoryEntry, history_entries
from tfce.store.other_hosts import merged_journal
from tfce.store.workspace import Workspace

WAIT = 120.0  # seconds a test waits for something that must happen


def history(
    workspace: Workspace, since: datetime | None = None, until: datetime | None = None, pilot: str = ""
) -> list[HistoryEntry]:
    """What ``tfce history`` tells of a queue."""
    return history_entries(workspace, merged_journal(workspace).entries, since, until, pilot)


def until(true: Callable[[], object], what: str, patience: float = WAIT, pause: float = 0.05) -> None:
    """Wait until ``true()``, asked every ``pause`` seconds, and at most half of the time: what is asked has other
    things to do. Fail after ``patience`` seconds."""
    deadline, asked = time.monotonic() + patience, time.monotonic()
    while not true():
        assert time.monotonic() < deadline, f"did not happen: {what}"
        time.sleep(max(pause, time.monotonic() - asked))
        asked = time.monotonic()


def consistent(site: AnySite, pilots: int, plan_ends: int = 0) -> None:
    """Record, state and cloud agree on so many pilots, no key occurs twice, and Terraform would change nothing.

    ``plan_ends``: 2 where options have changed since, so that new pilots will differ. A VM that the cloud still
    removes is listed for a while, and the audit shows it as long.
    """
    fleet = site.parts().fleet  # of this process: three commands would start Python three times
    rows = fleet.audit()
    assert not [row for row in rows if row.mismatch], rows
    keys = [tags["tfce:key"] for _, tags in site.instances().values()]
    assert len(keys) == len(set(keys)) == pilots
    assert sorted(row.key for row in rows if row.verdict != "deleting") == sorted(keys), rows
    assert len(fleet.status()) == pilots
    said = StringIO()
    with redirect_stdout(said):
        code = planning.plan(load_queue(site.cfg, site.name), refresh=True, as_json=False)
    assert code == plan_ends and "Plan:" not in said.getvalue(), f"exit {code}: {said.getvalue()}"


def children(pid: int) -> list[int]:
    """All living descendants of a process."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found = [child for child, parent in parents.items() if parent == pid]
    return found + [grandchild for child in found for grandchild in children(child)]


def seen_by_others(process: subprocess.Popen[str], environments: bool = False) -> set[str]:
    """What anybody on the host can read of a process until it ends: its command line and those of all it starts;
    ``environments``: of these the environments, too (its own is the operator's)."""
    lines: set[str] = set()
    while process.poll() is None:
        own = children(process.pid)
        paths = [f"/proc/{pid}/cmdline" for pid in (process.pid, *own)]
        for path in paths + [f"/proc/{pid}/environ" for pid in own if environments]:
            with suppress(OSError):
                lines.add(Path(path).read_bytes().decode(errors="replace"))
        time.sleep(0.05)
    return lines


def assert_hidden(secrets: Sequence[str], said: Iterable[str], folder: Path) -> None:
    """None of the ``secrets`` is in what was ``said``, or in a file of ``folder``; others can read no file there
    but the reviewers' copies."""
    assert not [text for text in some(said) if any(secret in text for secret in secrets)]
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    for path in some(path for path in paths if not {"mirror", "unpacked"} & set(path.parts)):
        data = path.read_bytes()
        assert not any(secret.encode() in data for secret in secrets), path
        assert path.stat().st_mode & 0o077 == 0 or "workspaces" in path.parts, path


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def child(process: subprocess.Popen[str], words: bytes) -> int:
    """The descendant of a command that has these words on its command line."""
    (pid,) = [pid for pid in children(process.pid) if words in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return pid


def kill_9(process: subprocess.Popen[str]) -> None:
    """Kill a command and all that it started, as a crash of the host does, and wait for its end."""
    for pid in [process.pid, *children(process.pid)]:
        os.kill(pid, signal.SIGKILL)
    process.communicate()


def state_file(site: AnySite) -> Path:
    """The queue's Terraform state."""
    (path,) = site.private.glob("terraform.tfstate.d/*/terraform.tfstate")
    return path
