"""Hosts that share a backend: a sample of the tests, then a trial at random: `python -m tests.e2e.hosts.run`.

`ALL=1` takes all tests, and a trial of twenty minutes on each backend. `SEED=...` draws the same sample and the
same trial again, which is on one backend.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.drawn import VARIABLE, seeded
from tests.e2e.hosts.backends import KINDS

HERE = str(Path(__file__).parent)
LONG, SHORT = 1200, 30  # seconds of a trial


def main() -> int:
    """The first exit code that is not 0."""
    draw = seeded()
    seed = draw.get(VARIABLE) or os.environ.get("SEED") or "0"  # 0: the trial draws one, and says it
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", *sys.argv[1:], HERE], env={**os.environ, **draw}
    )
    words = [
        sys.executable,
        "-m",
        "tests.e2e.hosts.trial",
        "--seconds",
        str(SHORT if draw else LONG),
        "--seed",
        seed,
    ]
    backends = [[]] if draw else [["--backend", kind] for kind in KINDS]
    trials = [subprocess.run([*words, *backend]).returncode for backend in backends]
    return next((code for code in (tests.returncode, *trials) if code), 0)


if __name__ == "__main__":
    sys.exit(main())
