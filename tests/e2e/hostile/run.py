"""Draw a sample of the hostile cases, or take all, and say how many held: `python -m tests.e2e.hostile.run`.

`ALL=1` takes all. `SEED=...` draws the sample of another run again.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from tests.e2e.hostile.cases import SAMPLE, SEED, SIZE, every

HERE = str(Path(__file__).parent)


def main() -> int:
    """pytest's exit code."""
    seed = os.environ.get("SEED") or f"{random.SystemRandom().randrange(10**6)}"
    size = "all" if os.environ.get("ALL") else os.environ.get(SIZE, str(SAMPLE))
    print(f"{size} of {len(every())} cases, seed {seed}: SEED={seed} draws them again", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", *sys.argv[1:], HERE]
    return subprocess.run(command, env={**os.environ, SEED: seed, SIZE: size}).returncode


if __name__ == "__main__":
    sys.exit(main())
