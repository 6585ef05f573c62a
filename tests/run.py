"""Install what emulates EC2 and run pytest with the given arguments: `python -m tests.run ARGS`.

The clouds of longer suites come about here, too: each gives `run_pytest` its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager

from tests.drawn import seeded
from tests.rigs import memory, mirror
from tests.rigs.errors import RigError
from tests.rigs.localstack import LocalStack, Moto, free_port


def run_pytest(cloud: AbstractContextManager[Mapping[str, str]], unfit: type[Exception]) -> int:
    """pytest's exit code, with this process's arguments. ``cloud`` is up meanwhile, and gives what the tests'
    environment has of it; it raises ``unfit`` where it cannot be had."""
    # A shell starts its background jobs with SIGINT ignored, which children inherit: the tests send it to theirs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with memory.temporary() as place, cloud as more:
            command = [sys.executable, "-m", "pytest", *sys.argv[1:]]
            return subprocess.run(command, env={**os.environ, **place, **more}).returncode
    except unfit as error:
        print(f"no cloud to test on: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _installed(*more: Callable[[], object]) -> None:
    """moto, the mirror with hashicorp/aws, and ``more``; each is a minute the first time."""
    with ThreadPoolExecutor() as pool:
        for made in [pool.submit(one) for one in (mirror.ensure, Moto.ensure, *more)]:
            made.result()


@contextmanager
def emulators() -> Iterator[Mapping[str, str]]:
    """What the tests' environment has of them: the seed of what is drawn. Each starts its moto itself."""
    _installed()
    yield seeded()


@contextmanager
def localstack() -> Iterator[Mapping[str, str]]:
    """The same, and the port of one LocalStack; the tests that need it wait for it."""
    _installed(LocalStack.ensure)
    cloud = LocalStack(free_port())
    with ThreadPoolExecutor() as pool:
        starting = pool.submit(cloud.start)
        try:
            yield {"TFCE_TEST_EC2_PORT": str(cloud.port), **seeded()}
            starting.result()
        finally:
            wait([starting])
            cloud.stop()


if __name__ == "__main__":
    sys.exit(run_pytest(emulators(), RigError))
