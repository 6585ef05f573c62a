"""Start one LocalStack, run pytest against it with the given arguments, stop it: `python -m tests.run ARGS`."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from tests.rigs import mirror
from tests.rigs.localstack import LocalStack, RigError


def run_pytest(cloud: AbstractContextManager[Mapping[str, str]], unfit: type[Exception]) -> int:
    """pytest's exit code, with this process's arguments. ``cloud`` is up meanwhile, and gives what the tests'
    environment has of it; it raises ``unfit`` where it cannot be had."""
    # A shell starts its background jobs with SIGINT ignored, which children inherit: the tests send it to theirs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with cloud as more:
            command = [sys.executable, "-m", "pytest", *sys.argv[1:]]
            return subprocess.run(command, env=os.environ | more).returncode
    except unfit as error:
        print(f"no cloud to test on: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


@contextmanager
def _localstack() -> Iterator[Mapping[str, str]]:
    mirror.ensure()
    drawn = _drawn()
    print("starting LocalStack's EC2", file=sys.stderr, flush=True)
    with LocalStack() as cloud:
        yield {"TFCE_TEST_EC2_PORT": str(cloud.port), **drawn}


def _drawn() -> Mapping[str, str]:
    """The seed of what is drawn: all faults on the native module, whose provider takes seconds to start, would
    take a third of the suite's time. The same faults on tfce's own provider are tried each time.
    """
    if os.environ.get("ALL"):
        return {}
    seed = os.environ.get("SEED") or str(random.SystemRandom().randrange(1, 2**31))
    print(f"SEED={seed} draws a third of the faults on the native module; ALL=1 tries all", file=sys.stderr)
    return {"TFCE_DRAW": seed}


if __name__ == "__main__":
    sys.exit(run_pytest(_localstack(), RigError))
