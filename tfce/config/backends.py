"""Terraform's backends: what the file of ``Terraform_BackendFile`` says of one, in Terraform's own terms.

What is secret goes to Terraform by environment variables only: arguments of a backend are written in clear into
``.terraform/``."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from tfce.config import backend_faults, inifile
from tfce.config.credentials import NO_OTHER_AWS
from tfce.config.options import Queue
from tfce.model import redact
from tfce.model.errors import ConfigError, Fault
from tfce.model.lease import NOWHERE, BackendId

LOCAL = "local"
_NONE: Mapping[str, Any] = MappingProxyType({})
# Names of a section that Terraform takes as environment variables.
_VARIABLES = {
    "pg": {"conn_str": "PG_CONN_STR"},
    "s3": {
        "access_key": "AWS_ACCESS_KEY_ID",
        "secret_key": "AWS_SECRET_ACCESS_KEY",
        "token": "AWS_SESSION_TOKEN",
        "endpoint": "AWS_ENDPOINT_URL_S3",
    },
    "http": {"username": "TF_HTTP_USERNAME", "password": "TF_HTTP_PASSWORD"},
}
_ARGUMENTS: Mapping[str, Mapping[str, str | bool]] = {
    "s3": {"key": "tfce.tfstate", "use_lockfile": True},
    "http": {"lock_method": "LOCK", "unlock_method": "UNLOCK"},
}
# An S3 that is not Amazon's has no accounts, and answers under its own name.
_OTHER_S3 = dict.fromkeys(
    (
        "use_path_style",
        "skip_credentials_validation",
        "skip_metadata_api_check",
        "skip_region_validation",
        "skip_requesting_account_id",
        "skip_s3_checksum",
    ),
    True,
)


@dataclass(frozen=True)
class Backend:
    """One backend. ``arguments``: of its block, none of them secret; ``environment``: variables, maybe secret;
    ``address``: where an http backend keeps states, each beneath it; ``id``: what tells it from others."""

    name: str
    id: BackendId = NOWHERE
    arguments: Mapping[str, str | bool] = field(default_factory=lambda: _NONE)
    environment: Mapping[str, str] = field(default_factory=lambda: _NONE, repr=False)
    address: str = ""

    def settings(self, state: str) -> dict[str, str]:
        """The variables that name one state; none of them secret."""
        if not self.address:
            return {"TF_WORKSPACE": state}
        address = f"{self.address}/{state}"
        lock = f"{address}/lock"
        # It has no workspaces, and refuses one that somebody chose in the folder.
        return {
            "TF_WORKSPACE": "default",
            "TF_HTTP_ADDRESS": address,
            "TF_HTTP_LOCK_ADDRESS": lock,
            "TF_HTTP_UNLOCK_ADDRESS": lock,
        }

    @property
    def web(self) -> str:
        """An address that answers HTTP, whoever asks; "" where there is none."""
        if self.name == "s3":
            amazons = f"https://s3.{self.arguments.get('region', '')}.amazonaws.com"
            return f"{self.environment.get('AWS_ENDPOINT_URL_S3', amazons)}/"
        return self.address

    def alone(self, state: str) -> Backend | None:
        """The same, with that one ``state`` as the one that Terraform takes to be always there; None where it
        needs no such."""
        if self.name != "s3":
            return None
        prefix, key = (self.arguments.get(name, "") for name in ("workspace_key_prefix", "key"))
        return replace(self, arguments={**self.arguments, "key": f"{prefix or 'env:'}/{state}/{key}"})

    def block(self) -> dict[str, Any]:
        """The root module's part that names the backend, as JSON."""
        return {"terraform": {"backend": {self.name: dict(self.arguments)}}}


def load(queue: Queue, name: str = "") -> Backend:
    """The backend that the options of ``queue`` name, or the one called ``name``. Raises ``ConfigError`` without
    showing a value.

    The section ``[CE:NAME]`` is used, else ``[NAME]``; either overrides DEFAULT."""
    name = name or queue.terraform.backend
    if name == LOCAL:
        return Backend(LOCAL, BackendId(LOCAL))
    path: Path = queue.terraform.backend_file
    values = _section(path, queue.ce, name)
    found = backend_faults.problems(name, values, _VARIABLES.get(name, {}))
    faults = [_fault(path, problem, cure) for problem, cure in found]
    if faults:
        raise ConfigError.of(faults)
    return _backend(name, values)


def _section(path: Path, ce: str, name: str) -> dict[str, str]:
    example = backend_faults.example(name)
    try:
        parser = inifile.parsed(path, example, exact=True)
    except inifile.UnreadError as error:
        raise ConfigError.of([_fault(path, error.problem, error.cure)]) from None
    except (configparser.Error, UnicodeDecodeError):
        raise ConfigError.of([_fault(path, "is no ini file", f"write {example}")]) from None
    title = next((one for one in (f"{ce}:{name}", name) if parser.has_section(one)), "")
    if not title:
        raise ConfigError.of([_fault(path, f"has no section [{name}]", f"write {example}")])
    return {key: inifile.unquoted(value) for key, value in parser.items(title) if value.strip()}


def _backend(name: str, values: Mapping[str, str]) -> Backend:
    variables = _VARIABLES.get(name, {})
    environment = {
        variables.get(key, key): text for key, text in values.items() if key in variables or key.isupper()
    }
    public = {key: _value(text) for key, text in values.items() if key not in variables and not key.isupper()}
    address = str(public.pop("address", "")).rstrip("/") if name == "http" else ""
    if name == "s3" and "endpoint" in values:
        public = {**_OTHER_S3, **public}
    if name == "s3" and "access_key" in values:
        environment |= NO_OTHER_AWS
    if name == "pg":
        environment = {"PGCONNECT_TIMEOUT": "10", **environment}
    _hide(name, environment)
    arguments = {**_ARGUMENTS.get(name, {}), **public}
    return Backend(name, _id(name, arguments, environment, address), arguments, environment, address)


def _value(text: str) -> str | bool:
    return {"true": True, "false": False}.get(text.lower(), text)


def _hide(name: str, environment: Mapping[str, str]) -> None:
    """No secret of a backend is ever shown."""
    redact.learn(*(text for key, text in environment.items() if backend_faults.SECRET.search(key.lower())))
    if name == "pg":
        redact.learn(urlsplit(environment["PG_CONN_STR"]).password or "", *_words(environment, "password"))


def _words(environment: Mapping[str, str], *names: str) -> list[str]:
    """Values of a connection string of the kind ``host=... dbname=...``."""
    pairs = (word.partition("=") for word in environment["PG_CONN_STR"].split())
    return [value.strip("'") for key, _, value in pairs if key in names]


def _id(name: str, arguments: Mapping[str, object], environment: Mapping[str, str], address: str) -> BackendId:
    """What tells one backend from another: no login."""
    if name == "http":
        return BackendId(name, address)
    if name != "pg":
        shown = " ".join(f"{key}={arguments[key]}" for key in sorted(arguments) if key not in _OTHER_S3)
        return BackendId(name, f"{environment.get('AWS_ENDPOINT_URL_S3', '')} {shown}".strip())
    parts = urlsplit(environment["PG_CONN_STR"])
    where = f"{parts.hostname}:{parts.port or 5432}{parts.path}" if parts.hostname else ""
    where = where or ":".join(_words(environment, "host", "port", "dbname"))
    return BackendId(name, f"{where} {arguments.get('schema_name', '')}".strip())


def _fault(path: Path, problem: str, cure: str) -> Fault:
    return Fault("Terraform_BackendFile", str(path), problem, cure)
