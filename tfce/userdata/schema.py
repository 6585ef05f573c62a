"""cloud-init's own opinion of a queue's document, on hosts where cloud-init is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from tfce.userdata.document import ContextError, Recipe, preview
from tfce.userdata.jinja import HEAD

TIMEOUT = 60


def cloud_init() -> str | None:
    """The path of the cloud-init command, None where it is not installed."""
    return shutil.which("cloud-init")


def schema_fault(recipe: Recipe, command: str) -> str:
    """What cloud-init's schema has against the recipe's document (without wrapper or proxy); empty when nothing.

    ``command`` is the path of cloud-init. Raises ConfigError for a template that cannot be rendered, ContextError
    when cloud-init does not answer.
    """
    text = preview(recipe, key="0" * 8, wrapper=b"#!/bin/sh\n")
    text = text.removeprefix(f"{HEAD}\n")  # as cloud-init renders such a document on the VM first
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "user-data"
        file.write_text(text, encoding="ascii")
        try:
            done = subprocess.run(
                [command, "schema", "-c", str(file)],
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ContextError(f"{command} could not check the document: {error}") from error
    return "" if done.returncode == 0 else " ".join((done.stdout + done.stderr).split())
