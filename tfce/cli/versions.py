"""``tfce --version``: tfce's, and those of what it would run."""

from __future__ import annotations

import argparse
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

from tfce import __version__

if TYPE_CHECKING:
    from tfce.terraform.modules import Module


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
    from tfce.terraform.modules import AWS, OPENSTACK

    names = ("tf", "apache-libcloud")
    own = f"provider tfce {__version__}, on " + ", ".join(f"{name} {metadata.version(name)}" for name in names)
    return [own, _native(AWS), _native(OPENSTACK)]


def _native(module: Module) -> str:
    """The cloud's own provider, which queues with ``Terraform_Module = native`` have."""
    from tfce.terraform.providers import REGISTRY, on_this_host

    found = on_this_host(module)
    if found is not None:
        return f"{found}, for Terraform_Module = native"
    oldest, below = (".".join(map(str, one)) for one in (module.oldest, module.below))
    return f"provider {module.provider} {oldest} to before {below} is not on this host; {REGISTRY} may have it"
