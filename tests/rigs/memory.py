"""A temporary folder in memory, where the host has room for it: `python -m tests.rigs.memory COMMAND` has one.

What is tested writes until it is sure that the disk has it. On a disk the tests would wait for that for a third of
their time, each for all others, too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

PLACE = Path("/dev/shm")
_ROOM = 2_000_000_000  # bytes; the suites write a tenth of it


@contextmanager
def temporary() -> Iterator[Mapping[str, str]]:
    """The environment of who shall have it; nothing where it cannot be had. All of it is removed at the end."""
    if os.environ.get("TMPDIR") or not PLACE.is_dir() or shutil.disk_usage(PLACE).free < _ROOM:
        yield {}
        return
    folder = Path(tempfile.mkdtemp(prefix="tfce-tests-", dir=PLACE))
    folder.chmod(0o1777)  # some tests are other users, as in /tmp
    try:
        yield {"TMPDIR": str(folder)} if _runs_programs(folder) else {}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _runs_programs(folder: Path) -> bool:
    probe = folder / "probe"
    probe.write_text("#!/bin/sh\n")
    probe.chmod(0o755)
    try:
        return subprocess.run([probe], check=False).returncode == 0
    except OSError:
        return False
    finally:
        probe.unlink()


def main(command: Sequence[str]) -> int:
    """The command's exit code."""
    with temporary() as place:
        return subprocess.run(command, env=os.environ | place, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
