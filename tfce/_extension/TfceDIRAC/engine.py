"""Whether ``import tfce`` finds our engine, and the commands, which ask that first.

A library for statistics on PyPI is named ``tfce`` and has a module of the same name. Where both are installed,
each writes over the other's ``tfce/__init__.py``, and removing one removes the file of both.
"""

from __future__ import annotations

import sys

OURS = "TfceDIRAC"
CURE = f"pip uninstall -y tfce; pip install --force-reinstall --no-deps {OURS}"


def clash() -> str:
    """What is wrong with the module ``tfce`` of this environment, with its cure; empty if it is ours."""
    try:
        import tfce

        found = getattr(tfce, "DISTRIBUTION", None)
        where = getattr(tfce, "__file__", None)
    except Exception as error:  # whatever a stranger's module raises
        found, where = None, f"{type(error).__name__}: {error}"
    if found == OURS:
        return ""
    owner = f"is not {OURS}'s ({where})" if where else f"of {OURS} has lost its first file"
    return (
        f"the module tfce {owner}: the package tfce of PyPI, which is somebody else's, is or was installed "
        f"beside {OURS}; run: {CURE}"
    )


def run_tfce() -> int:
    """The command ``tfce``."""
    if reason := clash():
        return _refuse(reason)
    from tfce.cli.program import run

    return run()


def run_provider() -> int:
    """The command ``terraform-provider-tfce``."""
    if reason := clash():
        return _refuse(reason)
    from tfce.provider.__main__ import main

    return main()


def _refuse(reason: str) -> int:
    print(f"tfce: {reason}", file=sys.stderr)
    return 2
