"""Start one LocalStack, run pytest against it with the given arguments, stop it: `python -m tests.run ARGS`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.rigs import mirror
from tests.rigs.localstack import LocalStack, RigError


def main() -> int:
    """pytest's exit code."""
    # A shell starts its background jobs with SIGINT ignored, which children inherit: the tests send it to theirs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    mirror.ensure()
    try:
        print("starting LocalStack's EC2", file=sys.stderr, flush=True)
        with LocalStack() as cloud:
            environment = os.environ | {"TFCE_TEST_EC2_PORT": str(cloud.port)}
            return subprocess.run([sys.executable, "-m", "pytest", *sys.argv[1:]], env=environment).returncode
    except RigError as error:
        print(f"localstack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
