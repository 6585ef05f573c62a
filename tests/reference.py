"""The reference pages that are made from the code: options, commands, the provider.

``python -m tests.reference --write`` writes them; tests/unit/test_reference.py keeps them in step.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest import mock

from tfce.cli.main import main
from tfce.config.settings import OPTIONS
from tfce.provider.resources import TfceProvider

PAGES = Path(__file__).resolve().parent.parent / "docs" / "reference"
_MADE = "<!-- made from the code by `python -m tests.reference --write` -->\n"


def options() -> str:
    """The options, as a table."""
    rows = ["| option | default | meaning | example |", "|---|---|---|---|"]
    for option in OPTIONS:
        default = "**required**" if option.required else (f"`{option.default}`" if option.default else "")
        rows.append(f"| `{option.name}` | {default} | {option.help} | `{option.example}` |")
    return f"""# Options

Those of DIRAC's `Cloud` element, then tfce's own, which begin with `Terraform_` and `Workspace_`. They stand at
the CE; a queue's own override them. All faults are reported at once, each with its cure.

{_lines(rows)}
`Driver_*` options go to the libcloud driver without their prefix; region and endpoint (`Driver_region`,
`Driver_host`, `Driver_port`, `Driver_secure`, `Driver_path`) to Terraform's provider, too.
"""


def commands() -> str:
    """What ``tfce --help`` and each command's ``--help`` say."""
    top = _help()
    names = re.findall(r"^    ([a-z]+) ", top, re.MULTILINE)
    parts = [f"## tfce {name}\n\n```text\n{_help(name)}```\n" for name in names]
    return f"# Commands\n\n```text\n{top}```\n\n" + "\n".join(parts)


def _help(*command: str) -> str:
    out = io.StringIO()
    settings = mock.patch.dict(os.environ, {"COLUMNS": "110"})
    with settings, contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([*command, "--help"])
    return out.getvalue()


def provider() -> str:
    """The provider's settings, its resource and its data sources, from their schemas."""
    made = TfceProvider()
    parts = [_block("Provider `tfce`", made.get_provider_schema(None).attributes)]
    for title, kinds in (("Resource", made.get_resources()), ("Data source", made.get_data_sources())):
        for kind in kinds:
            parts.append(_block(f"{title} `tfce_{kind.get_name()}`", kind.get_schema().attributes))
    return f"""# Terraform provider

What `Terraform_Module = bulk`, the default, uses; see [modules](../modules.md) for how to build a module on it.

{_lines(parts)}"""


def _block(title: str, attributes: Iterable[Any]) -> str:
    rows = [
        f"| `{one.name}` | {_kind(one.type)} | {_need(one)} | {(one.description or '').rstrip('.')} |"
        for one in attributes
    ]
    return _lines([f"## {title}\n", "| attribute | type | | meaning |", "|---|---|---|---|", *rows])


def _kind(kind: Any) -> str:
    name = type(kind).__name__.lower()
    inner = getattr(kind, "element_type", None)
    return f"{name} of {_kind(inner)}" if inner else name


def _need(attribute: Any) -> str:
    return next((word for word in ("required", "optional", "computed") if getattr(attribute, word)), "")


def _lines(rows: Iterable[str]) -> str:
    return "".join(f"{row}\n" for row in rows)


MADE: dict[str, Callable[[], str]] = {"options.md": options, "commands.md": commands, "provider.md": provider}


def page(name: str) -> str:
    """The text that ``docs/reference/<name>`` shall have."""
    return _MADE + MADE[name]()


if __name__ == "__main__":
    for one in MADE:
        if "--write" in sys.argv:
            (PAGES / one).write_text(page(one))
        else:
            print(page(one))
