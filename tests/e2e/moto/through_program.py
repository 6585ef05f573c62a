"""A submission whose Terraform starts the program ``terraform-provider-tfce``, in a process that a test may kill:
``python -m tests.e2e.moto.through_program CONFIG CE/QUEUE PILOTS``."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tfce.app import assemble
from tfce.config.cfg import load_queue
from tfce.config.credentials import Credentials
from tfce.provider import settings
from tfce.provider.run import Run
from tfce.terraform.bulk import Bulk


@contextmanager
def started(credentials: Credentials, run: Run) -> Iterator[Mapping[str, str]]:
    """Nothing is served: Terraform's environment tells the program what the run is about."""
    told = {settings.KEY: credentials.key, settings.SECRET: credentials.secret}
    told |= {} if run.only is None else {settings.KEYS: ",".join(sorted(run.only))}
    yield told | ({} if run.make else {settings.ADOPT_ONLY: "1"})


def main(config: str, name: str, pilots: str) -> None:
    parts = assemble(load_queue(Path(config), name))
    assert isinstance(parts.terraform, Bulk)
    parts.terraform._attach = functools.partial(started, parts.credentials)
    parts.fleet.submit(b"#!/bin/sh\n", int(pilots))


if __name__ == "__main__":
    main(*sys.argv[1:])
