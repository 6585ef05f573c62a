"""Start the rig, or find the cloud of OS_CLOUD, and run pytest on it: `python -m tests.openstack.run ARGS`.

Tests run side by side (pytest's -n); they share the one cloud, and take turns where they must (conftest.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack

from tests.openstack.api import CloudError
from tests.openstack.own import OwnCloud
from tests.openstack.rig import PORT, provider_mirror, running


def main() -> int:
    """pytest's exit code."""
    # A shell starts its background jobs with SIGINT ignored, which children inherit: the tests send it to theirs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    environment = dict(os.environ)
    try:
        with ExitStack() as ending:
            if os.environ.get("OS_CLOUD"):
                provider_mirror()
                print(f"on {OwnCloud(os.environ['OS_CLOUD']).name}", file=sys.stderr, flush=True)
            else:
                print("starting OpenStack", file=sys.stderr, flush=True)
                environment[PORT] = str(ending.enter_context(running()).base)
            command = [sys.executable, "-m", "pytest", *sys.argv[1:]]
            return subprocess.run(command, env=environment).returncode
    except CloudError as error:
        print(f"openstack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
