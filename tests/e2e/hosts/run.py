"""Hosts that share a backend: a sample of the tests, then a trial at random: `python -m tests.e2e.hosts.run`.

`ALL=1` takes all tests, and a trial of twenty minutes. `SEED=...` draws the same sample and the same trial again.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from tests.e2e.hosts.conftest import SAMPLE, SEED

HERE = str(Path(__file__).parent)
SOME, LONG, SHORT = 4, 1200, 30  # tests beside those that always run; seconds of a trial


def main() -> int:
    """The first exit code that is not 0."""
    seed = os.environ.get("SEED") or f"{random.SystemRandom().randrange(1, 10**6)}"
    every = bool(os.environ.get("ALL"))
    print(f"{'all' if every else 'some'} tests, seed {seed}: SEED={seed} draws them again", flush=True)
    env = {**os.environ, SEED: seed, SAMPLE: "" if every else str(SOME)}
    tests = subprocess.run([sys.executable, "-m", "pytest", "-q", "-n", "2", *sys.argv[1:], HERE], env=env)
    words = ["--seconds", str(LONG if every else SHORT), "--seed", seed]
    trial = subprocess.run([sys.executable, "-m", "tests.e2e.hosts.trial", *words])
    return tests.returncode or trial.returncode


if __name__ == "__main__":
    sys.exit(main())
