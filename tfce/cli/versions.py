"""``tfce --version``: tfce's, and those of what it would run."""

from __future__ import annotations

import argparse
import platform
from importlib import metadata
from typing import Any

from tfce import __version__


class Version(argparse.Action):
    """Print the versions and end."""

    def __init__(self, option_strings: Any, dest: str, **more: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the versions of tfce, Terraform and providers")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print("\n".join(lines()))
        parser.exit()


def lines() -> list[str]:
    """A line for each part."""
    return [
        f"tfce {__version__}",
        _terraform(),
        *_provider(),
        f"Python {platform.python_version()}",
    ]


def _terraform() -> str:
    from tfce.model.errors import TfceError
    from tfce.terraform.programs import find_program

    try:
        return str(find_program(None))
    except TfceError as error:
        return error.message


def _provider() -> list[str]:
    names = ("tf", "apache-libcloud")
    return [f"provider tfce {__version__}, on " + ", ".join(f"{name} {metadata.version(name)}" for name in names)]
