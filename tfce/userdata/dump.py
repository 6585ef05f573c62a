"""A cloud-config as text."""

from __future__ import annotations

from typing import Any

import yaml

from tfce.userdata.jinja import HEAD

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_WIDE = 2**20


def dumped(document: dict[str, Any], jinja: bool = False) -> str:
    """``document`` as YAML in ASCII, scripts as readable blocks. ``jinja``: so are strings with braces, as quotes
    in them would be written in another way, and jinja comes before YAML."""
    dumper = _Jinja if jinja else _Dumper
    return str(yaml.dump(document, Dumper=dumper, sort_keys=False, width=_WIDE, allow_unicode=False))


def whole(document: dict[str, Any], jinja: bool) -> str:
    """The same with the lines above it that cloud-init knows it by."""
    return f"{HEAD}\n" * jinja + f"#cloud-config\n{dumped(document, jinja)}"


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Scripts as readable blocks, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _Jinja(_Dumper):
    """Strings with braces as blocks, too."""


def _block(dumper: Any, text: str) -> Any:
    block = "\n" in text or (isinstance(dumper, _Jinja) and "{" in text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if block else None)


_Dumper.add_representer(str, _block)
_Jinja.add_representer(str, _block)
