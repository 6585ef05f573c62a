"""Start one LocalStack, run pytest against it, stop it: `python -m tests.e2e.localstack.run ARGS`."""

from __future__ import annotations

import sys

from tests.rigs.errors import RigError
from tests.run import localstack, run_pytest

if __name__ == "__main__":
    sys.exit(run_pytest(localstack(), RigError))
