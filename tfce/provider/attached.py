"""A provider that is already there: served by this very process, for one run of Terraform.

Terraform is told through ``TF_REATTACH_PROVIDERS`` where it listens: a Unix socket in a folder that only its owner
may enter, so that no TLS is needed. What the run is about and what came of it are Python objects (``Run``). The
framework and grpc are imported when the first run begins.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import shutil
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tfce.model.errors import TerraformError
from tfce.model.trace import span
from tfce.provider.run import Run

if TYPE_CHECKING:
    import grpc

VARIABLE = "TF_REATTACH_PROVIDERS"
HOSTS = ("registry.terraform.io", "registry.opentofu.org")  # Terraform's and OpenTofu's name for the same provider
_PATIENCE = 60.0  # seconds that a request under way gets when its Terraform is gone
_LAST_WORDS = 1.0  # seconds for answers that are on their way
PREFIX = "tfce-run-"  # of the folders for sockets
_NEW = 60.0  # seconds in which a folder is held for sure by who made it
_MOST_LEFT = 100  # that one process clears away
_LONGEST = 100  # bytes of a socket's path that every kernel takes


@contextmanager
def attached(run: Run) -> Iterator[dict[str, str]]:
    """Serve ``run``; yields what the environment of its Terraform needs. At the end nothing more is begun, and
    what is under way is waited for: then ``run`` knows what came of it, also where Terraform was killed."""
    with span("phase", "import grpc"):
        from tfce.provider.serve import listen

    workers = ThreadPoolExecutor(10, thread_name_prefix="tfce-provider")
    with folder() as made, _nobody() as pid:
        address = str(made / "provider.sock")
        server = listen(run, workers, f"unix://{address}")
        try:
            yield {VARIABLE: json.dumps({f"{host}/tfce/tfce": _reattach(pid, address) for host in HOSTS})}
        finally:
            done = run.end(_PATIENCE)
            stop(server, _LAST_WORDS if done else 0)
            workers.shutdown(wait=done)


def stop(server: grpc.Server, grace: float) -> None:
    """Let the server end.

    hazard: an interrupt reaches the main thread only, and one in the middle of grpc's stop leaves a server that is
    half stopped, whose thread ends with a traceback on the terminal. So another thread does it.
    """
    stopping = threading.Thread(target=lambda: server.stop(grace).wait(), name="tfce-provider-end")
    stopping.start()
    stopping.join()


def _reattach(pid: int, address: str) -> dict[str, object]:
    """``Test``: Terraform does not end the process when it is done."""
    where = {"Network": "unix", "String": address}
    return {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": pid, "Test": True, "Addr": where}


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for a socket, for its owner only, as long as this lasts."""
    parent = tempfile.gettempdir()
    # grpc takes the path as a part of a URL, and as text.
    if len(os.fsencode(parent)) > _LONGEST - 40 or not parent.isprintable() or set(parent) & set("#?%"):
        parent = "/tmp"  # noqa: S108  the folder in it is our own
    remove_left(Path(parent))
    try:
        made = tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent)
        held = _held(Path(made.name))
    except OSError as error:
        raise TerraformError(
            f"{error.filename or parent}: no folder for the Terraform provider can be made ({error.strerror})",
            "check the disk's free space and the folder's rights, or set TMPDIR",
        ) from None
    try:
        with made:
            yield Path(made.name)
    finally:
        os.close(held)


@functools.cache
def remove_left(folder: Path) -> None:
    """Remove the folders that killed runs of this user left in ``folder``: those that nobody holds any more. Once
    in a process is enough."""
    for left in islice(folder.glob(f"{PREFIX}*"), _MOST_LEFT):
        with suppress(OSError):
            facts = left.lstat()
            if facts.st_uid != os.geteuid() or not stat.S_ISDIR(facts.st_mode):
                continue
            if time.time() - facts.st_mtime < _NEW:  # it may not be held yet
                continue
            handle = _held(left)
            try:
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(handle)


def _held(folder: Path) -> int:
    """Hold a folder until its handle is closed, or its process has ended. Raises ``OSError`` where it is held."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


@contextmanager
def _nobody() -> Iterator[int]:
    """The id of a process that lives, does nothing, and may be killed.

    hazard: Terraform kills the process that it was given when it cannot connect, and gives up when there is none
    of that id. So the id must be that of a process, and not ours. This one ends when we end, which closes its
    input. Its id stays taken until the run is over: only then it is waited for.
    """
    try:
        child = subprocess.Popen(
            ["cat"],  # noqa: S607  found on the system's own path, below
            env={"PATH": os.defpath},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise TerraformError(f"no process can be started ({error.strerror})", "try again later") from None
    with child, span("process", "cat", pid=child.pid):
        try:
            yield child.pid
        finally:
            child.kill()
