"""What this host allows a queue's options to name, and in whose hands that must be.

Who may write the Configuration Service can name programs, modules and driver classes. The host's own file,
``/etc/tfce.conf``, can forbid that; so can a second one, which ``TFCE_CONF`` names. Neither lifts what the other
forbids::

    [allow]
    programs = no    # Terraform_Binary, Terraform_Mirror, a driver class in CloudType
    modules = no     # a folder in Terraform_Module, Context_Template
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tfce.config import readers, trust
from tfce.config.options import Queue
from tfce.model.errors import ConfigError, Fault

VARIABLE = "TFCE_CONF"
USUAL = Path("/etc/tfce.conf")
_ALLOW = ("programs", "modules")


def admitted(queue: Queue, usual: Path = USUAL) -> Queue:
    """``queue``, if this host allows what its options name, and all of it is in trusted hands. Raises
    ``ConfigError`` with every fault."""
    faults = [*_forbidden(queue, usual), *_distrusted(queue)]
    if faults:
        raise ConfigError.of(faults)
    return queue


def _named(queue: Queue) -> dict[str, dict[str, str]]:
    """What the options name, by what allows it."""
    module = queue.terraform.module
    programs: dict[str, object] = {
        "Terraform_Binary": queue.terraform.binary,
        "Terraform_Mirror": queue.terraform.mirror,
        "CloudType": queue.endpoint.cloud if "." in queue.endpoint.cloud else None,
    }
    modules: dict[str, object] = {
        "Terraform_Module": module if isinstance(module, Path) else None,
        "Context_Template": queue.userdata.template,
    }
    groups = {"programs": programs, "modules": modules}
    return {kind: {name: str(one) for name, one in group.items() if one} for kind, group in groups.items()}


def _forbidden(queue: Queue, usual: Path) -> Iterator[Fault]:
    named = os.environ.get(VARIABLE)
    for path in (usual, *([Path(named)] if named else [])):
        if path == usual and not path.exists():
            continue
        denied = _denied(path)
        for kind, values in _named(queue).items():
            for option, value in values.items() if kind in denied else ():
                cure = f"leave the option out, or have this host's administrator set {kind} = yes there"
                yield Fault(option, value, f"is forbidden on this host by {path}, [allow] {kind} = no", cure)


def _denied(path: Path) -> set[str]:
    parser = configparser.RawConfigParser(inline_comment_prefixes="#")
    with trust.for_option(VARIABLE, path):
        try:
            parser.read_string(trust.read(path))
        except (configparser.Error, UnicodeDecodeError):
            raise _broken(path, "is not `[allow]` and lines `name = yes` or `name = no`") from None
    if set(parser.sections()) - {"allow"} or parser.defaults():
        raise _broken(path, f"has sections that tfce does not know: {', '.join(parser.sections())}")
    return {name for name, value in (parser.items("allow") if parser.sections() else ()) if _no(path, name, value)}


def _no(path: Path, name: str, value: str) -> bool:
    if name not in _ALLOW:
        raise _broken(path, f"[allow] {name} is no option")
    try:
        return not readers.flag(value)
    except ValueError as error:
        raise _broken(path, f"[allow] {name} = {value}: {error}") from None


def _broken(path: Path, problem: str) -> ConfigError:
    return ConfigError(VARIABLE, str(path), problem, f"write [allow] with {' and '.join(_ALLOW)}, yes or no")


def _distrusted(queue: Queue) -> Iterator[Fault]:
    """What the options name and others could have written. What is not there is said where it is needed."""
    values = _named(queue)
    paths = {**values["programs"], **values["modules"], "Driver_ca_cert": queue.endpoint.driver.get("ca_cert")}
    for option, value in paths.items():
        if option != "CloudType" and value and str(value).startswith("/"):
            yield from _fault(option, Path(str(value)))
    yield from _fault("Workspace_Root", queue.workspace.root, lambda: _own(queue))


def _fault(option: str, path: Path, look: Callable[[], None] | None = None) -> Iterator[Fault]:
    try:
        with trust.for_option(option, path), suppress(FileNotFoundError):
            look() if look else _all_in(path)
    except ConfigError as error:
        yield from error.faults


def _own(queue: Queue) -> None:
    """The workspace's folder and what is in it are the running user's own: root's files there would lock the
    service user out, and another's are another's."""
    root = trust.own_folder(queue.workspace.root)
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        # What is neither, a device or a link to nowhere, is believed by nobody, and replaced by its owner.
        if path != queue.workspace.files and (path.is_file() or path.is_dir()):
            trust.own(path)


def _all_in(path: Path) -> None:
    """The path, and of a folder (pieces of a template, a module's files) what is directly in it."""
    trust.checked(path)
    for entry in sorted(path.iterdir()) if path.is_dir() else ():
        trust.checked(entry)
