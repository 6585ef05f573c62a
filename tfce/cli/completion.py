"""``tfce completion``: what a shell needs to complete commands, options and queues' names."""

from __future__ import annotations

import argparse

SHELLS = ("bash", "zsh", "fish")


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The completion of ``parser``'s commands for ``shell``."""
    import shtab

    return str(shtab.complete(parser, shell=shell)).rstrip("\n") + "\n"
