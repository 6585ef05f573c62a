"""``python -m tfce.cli``: the same as ``tfce``."""

from __future__ import annotations

import sys

from tfce.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
