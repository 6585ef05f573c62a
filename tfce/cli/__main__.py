"""``python -m tfce.cli``: the same as ``tfce``."""

from __future__ import annotations

import sys

from tfce.cli.program import run

if __name__ == "__main__":
    sys.exit(run())
