"""``make demo``: ``tfce demo`` on LocalStack, which stands for EC2 more truly than moto does."""

from __future__ import annotations

import signal
import sys

from tests.rigs.errors import RigError
from tests.rigs.localstack import LocalStack
from tfce.cli.main import main


def demo() -> int:
    """The demo's exit code; LocalStack is fetched once, and stopped whatever happens."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print("preparing: LocalStack's EC2 (fetched once)", flush=True)
        with LocalStack() as cloud:
            return main(["demo", "--port", str(cloud.port)])
    except RigError as error:
        print(f"the demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the embedded cloud is stopped")
        return 130


if __name__ == "__main__":
    sys.exit(demo())
