"""The files that a template is made of. The operator names the template; what a template names is nobody's choice
but its writer's, so it stays beneath the template's folder, or is tfce's own."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from tfce.config import trust
from tfce.config.data import data_path
from tfce.model.errors import ConfigError

OPTION = "Context_Template"
_SPARE = re.compile(r"^ *#(?!!).*\n|^ +", re.MULTILINE)  # comments and indents
_MOST = 2**20  # bytes of a file of a template
_READABLE = "give a UTF-8 file that this user can read"


def fault(path: Path, problem: str, cure: str) -> ConfigError:
    """The error of a template's file."""
    return ConfigError(OPTION, str(path), problem, cure)


def text_of(file: Path) -> str:
    """The text of a file of the template. Raises ConfigError."""
    if _ours(file):
        return file.read_text(encoding="utf-8")
    try:
        return trust.read(file, most=_MOST)
    except trust.DistrustError as error:
        raise fault(file, error.of(file), error.cure) from None
    except OSError as error:
        raise fault(file, f"cannot be read: {error.strerror}", _READABLE) from None
    except UnicodeDecodeError as error:
        raise fault(file, f"cannot be read: {error}", _READABLE) from None


def pieces(top: Path) -> list[Path]:
    """The files of a template, in order. Raises ConfigError."""
    try:
        files = sorted(top.glob("*.yaml")) if top.is_dir() else [top]
    except OSError as error:
        raise fault(top, f"cannot be read: {error.strerror}", _READABLE) from None
    if not files:
        raise fault(top, "is a folder without *.yaml pieces", "give a cloud-config file, or such a folder")
    return files


def named(file: Path, name: str) -> Path:
    """The file that the template ``file`` calls ``name``: beside it, else tfce's own. Raises ConfigError."""
    parts = PurePosixPath(name).parts
    if not name.isprintable() or not parts or ".." in parts or name.startswith("/"):
        problem = f"takes a text from {name!a:.80}, which is not beside the template"
        raise fault(file, problem, "put the file beside the template, and write its name alone")
    for folder in (file.parent, data_path("templates")):
        if (folder / name).is_symlink() or (folder / name).exists():
            return _inside(file, folder, name)
    raise fault(file, f"takes a text from {name}, which is not there", f"put {name} beside the template")


def _inside(file: Path, folder: Path, name: str) -> Path:
    """A link beside the template may lead to anything, too."""
    target = Path(os.path.realpath(folder / name))  # resolve() raises on a loop
    if not target.is_relative_to(folder.resolve()):
        problem = f"takes a text from {name}, a link to {target}, which is not beside the template"
        raise fault(file, problem, f"put a copy of it beside the template, in the place of {name}")
    return folder / name


def _ours(file: Path) -> bool:
    return file.is_relative_to(data_path("templates")) and ".." not in file.parts


def taken(file: Path, name: str) -> str:
    """The text that the template ``file`` takes from ``name``; tfce's own without its comments."""
    source = named(file, name)
    text = text_of(source)
    return _bare(text) if _ours(source) else text


def script(name: str) -> str:
    """The text of a script of tfce's own, without comments; empty where there is none."""
    path = data_path("templates") / name
    return _bare(text_of(path)) if path.is_file() else ""


def _bare(text: str) -> str:
    return _SPARE.sub("", text)
