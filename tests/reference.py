"""The reference pages that are made from the code: options, commands, the provider, Python.

``python -m tests.reference --write`` writes them; tests/unit/test_reference.py keeps them in step.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import tfce
from tfce.cli.main import main
from tfce.config.settings import OPTIONS
from tfce.provider import settings
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
    made = TfceProvider(settings.run({}))
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


_EXAMPLE = """\
Everything that `tfce` itself exports, typed; the rest of the package may change in any release. `import tfce`
imports nothing else until a name is used.

>>> from pathlib import Path
>>> from tfce import ConfigError, load_queue, queue_names
>>> _ = Path("site.cfg").write_text('''
... CEs
... {
...   cloud.example.org
...   {
...     CloudType = EC2
...     Driver_region = eu-west-1
...     Instance_Image = ami-1
...     Instance_Flavor = t3.micro
...     MaxTotalJobs = 20
...     Queues
...     {
...       long
...       {
...         maxCPUTime = 1440
...       }
...     }
...   }
... }
... ''')
>>> queue_names(Path("site.cfg"))
['cloud.example.org/long']
>>> queue = load_queue(Path("site.cfg"), "cloud.example.org/long")
>>> queue.label, queue.values()["MaxTotalJobs"]
('cloud.example.org/long', 20)
>>> load_queue(Path("site.cfg"), "cloud.example.org/short")
Traceback (most recent call last):
tfce.model.errors.ConfigError: ...

With credentials in `CloudAuth`, the queue's pilots:

```python
from tfce import CloudError, open_fleet

fleet = open_fleet(queue)
submission = fleet.submit(Path("wrapper.sh").read_bytes(), 3)
try:
    states = fleet.poll(submission.references)  # one API call
except CloudError as error:
    print(error.kind, error.message)  # such as "unreachable"
```
"""


def python() -> str:
    """The public names, with their signatures and what they say of themselves."""
    parts = [_member(name, getattr(tfce, name)) for name in tfce.__all__]
    methods = [(f"Fleet.{name}", one) for name, one in vars(tfce.Fleet).items() if _is_public(name, one)]
    parts += [_member(name, one) for name, one in methods]
    return f"# Python\n\n{_EXAMPLE}\n" + "\n".join(sorted(parts))


def _is_public(name: str, one: object) -> bool:
    return not name.startswith("_") and inspect.isfunction(one)


def _member(name: str, one: Any) -> str:
    signature = "" if inspect.isclass(one) else _signature(one)
    words = re.sub(r"``([^`]*)``", r"`\1`", inspect.getdoc(one) or "")
    shown = f"```python\n{name}{signature}\n```\n\n" if signature else ""
    return f"## {name}\n\n{shown}{words}\n"


def _signature(function: Callable[..., Any]) -> str:
    text = str(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()").replace("'", "")
    return re.sub(r"<function [^>]*> at 0x[0-9a-f]+>|<function [^>]*>", "...", text)


def _lines(rows: Iterable[str]) -> str:
    return "".join(f"{row}\n" for row in rows)


MADE: dict[str, Callable[[], str]] = {
    "options.md": options,
    "commands.md": commands,
    "provider.md": provider,
    "python.md": python,
}


def page(name: str) -> str:
    """The text that ``docs/reference/<name>`` shall have."""
    return _MADE + MADE[name]()


if __name__ == "__main__":
    for one in MADE:
        if "--write" in sys.argv:
            (PAGES / one).write_text(page(one))
        else:
            print(page(one))
