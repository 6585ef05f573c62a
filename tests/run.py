"""Start one LocalStack, run pytest against it with the given arguments, stop it: `python -m tests.run ARGS`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager

from tests.drawn import seeded
from tests.rigs import memory, mirror
from tests.rigs.localstack import LocalStack, Moto, RigError, free_port


def run_pytest(cloud: AbstractContextManager[Mapping[str, str]], unfit: type[Exception]) -> int:
    """pytest's exit code, with this process's arguments. ``cloud`` is up meanwhile, and gives what the tests'
    environment has of it; it raises ``unfit`` where it cannot be had."""
    # A shell starts its background jobs with SIGINT ignored, which children inherit: the tests send it to theirs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with memory.temporary() as place, cloud as more:
            command = [sys.executable, "-m", "pytest", *sys.argv[1:]]
            return subprocess.run(command, env=os.environ | place | more).returncode
    except unfit as error:
        print(f"no cloud to test on: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


@contextmanager
def _localstack() -> Iterator[Mapping[str, str]]:
    with ThreadPoolExecutor() as pool:  # each is a minute the first time
        for made in [pool.submit(one) for one in (mirror.ensure, LocalStack.ensure, Moto.ensure)]:
            made.result()
    cloud = LocalStack(free_port())
    with ThreadPoolExecutor() as pool:
        starting = pool.submit(cloud.start)  # the tests that need it wait for it
        try:
            yield {"TFCE_TEST_EC2_PORT": str(cloud.port), **seeded()}
            starting.result()
        finally:
            wait([starting])
            cloud.stop()


if __name__ == "__main__":
    sys.exit(run_pytest(_localstack(), RigError))
