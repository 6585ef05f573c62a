"""Start the rig, or find the cloud of OS_CLOUD, and run pytest on it: `python -m tests.e2e.openstack.run ARGS`.

Tests run side by side (pytest's -n); they share the one cloud, and take turns where they must (conftest.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.drawn import seeded
from tests.e2e.openstack.api import CloudError
from tests.e2e.openstack.own import OwnCloud
from tests.e2e.openstack.rig import PORT, provider_mirror, running
from tests.run import run_pytest


@contextmanager
def _openstack() -> Iterator[Mapping[str, str]]:
    if os.environ.get("OS_CLOUD"):
        provider_mirror()
        print(f"on {OwnCloud(os.environ['OS_CLOUD']).name}", file=sys.stderr, flush=True)
        yield {}
        return
    print("starting OpenStack", file=sys.stderr, flush=True)
    with running() as rig:
        yield {PORT: str(rig.base), **seeded()}


if __name__ == "__main__":
    sys.exit(run_pytest(_openstack(), CloudError))
