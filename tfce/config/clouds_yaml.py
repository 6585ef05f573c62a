"""``clouds.yaml``, OpenStack's own file of clouds and logins: an entry read as CE options and as credentials."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tfce.config import paths, trust
from tfce.model.errors import ConfigError

OPTION = "Driver_cloud"
FILE_VARIABLE = "OS_CLIENT_CONFIG_FILE"

# An entry's keys and the driver options they are. Where two keys mean one option, the later overrides the earlier.
_COMMON = {"auth.auth_url": "ex_force_auth_url", "region_name": "ex_force_service_region", "cacert": "ca_cert"}
_SCOPE = {
    "auth.tenant_name": "ex_tenant_name",
    "auth.project_name": "ex_tenant_name",
    "auth.tenant_id": "ex_tenant_id",
    "auth.project_id": "ex_tenant_id",
    "auth.project_domain_id": "ex_tenant_domain_id",
    "auth.domain_name": "ex_domain_name",
    "auth.user_domain_name": "ex_domain_name",
}
_FEDERATED = {"auth.protocol": "ex_tenant_name", "auth.project_name": "ex_domain_name"}
# What libcloud takes in other words only: key, the one value that needs none, and what to write instead.
_ELSEWHERE = {
    "auth.user_domain_id": ("default", "user_domain_name"),
    "auth.project_domain_name": ("Default", "project_domain_id, or the project by project_id"),
}

# auth_type -> authentication version, the options, and where key and secret are
_TYPES: Mapping[str, tuple[str, Mapping[str, str], str, str]] = {
    "password": ("3.x_password", _SCOPE, "auth.username", "auth.password"),
    "v3password": ("3.x_password", _SCOPE, "auth.username", "auth.password"),
    "v2password": ("2.0_password", _SCOPE, "auth.username", "auth.password"),
    "v3applicationcredential": (
        "3.x_appcred",
        {},
        "auth.application_credential_id",
        "auth.application_credential_secret",
    ),
    "v3oidcaccesstoken": ("3.x_oidc_access_token", _FEDERATED, "auth.identity_provider", "auth.access_token"),
}

_FORCED = ("ex_force_base_url", "ex_force_image_url", "ex_force_network_url")
_NO = ("false", "no", "off", "n", "0")
_KINDS = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")  # of YAML's own, which are no texts


def expanded(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """CE ``parameters`` and the options of the entry that Driver_cloud names, which they override.
    No secret is among them. Raises ``ConfigError`` that names file and key, and shows no value."""
    name = str(parameters.get(OPTION) or "").strip()
    if not name:
        return dict(parameters)
    entry = _Entry(name)
    version, scope, _, _ = entry.kind()
    found = {"ex_force_auth_version": version}
    for key, option in {**_COMMON, **scope}.items():
        value = entry.text(key)
        if value:
            found[option] = str(Path(value).expanduser()) if option == "ca_cert" else value
    if scope is _SCOPE:
        _refuse_other_words(entry)
    if not any(str(parameters.get(f"Driver_{option}") or "").strip() for option in _FORCED):
        _refuse_other_urls(entry)
    return {**{f"Driver_{option}": value for option, value in found.items()}, **parameters}


def login(name: str) -> tuple[str, str]:
    """Key and secret of the cloud ``name``, as ``cloud.auth`` would have them."""
    entry = _Entry(name)
    _, _, key, secret = entry.kind()
    values = [entry.text(path) for path in (key, secret)]
    missing = [path for path, value in zip((key, secret), values, strict=True) if not value]
    if missing:
        raise entry.fault(missing[0], "is missing", "add it")
    entry.check_rights(secret)
    return values[0], values[1]


def _refuse_other_words(entry: _Entry) -> None:
    for key, (usual, instead) in _ELSEWHERE.items():
        if entry.text(key) not in ("", usual) and not (key.startswith("auth.project") and entry.has_project_id()):
            raise entry.fault(key, "cannot be handed to libcloud", f"write {instead}")


def _refuse_other_urls(entry: _Entry) -> None:
    for key in ("interface", "endpoint_type"):
        if entry.text(key).lower().removesuffix("url") not in ("", "public"):
            options = ", ".join(f"Driver_{option}" for option in _FORCED)
            problem = "asks for other URLs than keystone's public ones, which alone are looked up"
            raise entry.fault(key, problem, f"name those URLs with {options}; or write public")


class _Entry:
    """One cloud of the file, with its secrets from ``secure.yaml``, which override the file's."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = _path()
        self._shown = _cloud(_read(self.path), name)
        beside = self.path.with_name("secure.yaml")
        self._secure_path = beside
        self._secure = _cloud(_read(beside), name) if beside.is_file() else {}
        if not self._shown:
            clouds = ", ".join(sorted(_clouds(_read(self.path)))) or "none"
            raise ConfigError(OPTION, name, f"is not in {self.path}", f"use one of: {clouds}")
        if self.text("verify").lower() in _NO or self.text("insecure").lower() not in ("", *_NO):
            raise self.fault("verify", "switches certificate checks off", "name the authority: cacert")

    def kind(self) -> tuple[str, Mapping[str, str], str, str]:
        given = self.text("auth_type") or "password"
        if given == "password" and self.text("auth.application_credential_id"):
            given = "v3applicationcredential"
        if given not in _TYPES:
            raise self.fault("auth_type", "is none that tfce knows", f"use one of {', '.join(_TYPES)}")
        return _TYPES[given]

    def text(self, key: str) -> str:
        """The value at ``key`` ("auth.password"), "" where there is none."""
        value = _at(self._secure, key)
        value = _at(self._shown, key) if value is None else value
        if value is None or value == "":
            return ""
        if isinstance(value, (Mapping, list)):
            raise self.fault(key, "is not a text", "write one value")
        return str(value)  # a text already: YAML's numbers, dates and booleans are what was written

    def has_project_id(self) -> bool:
        return bool(self.text("auth.project_id") or self.text("auth.tenant_id"))

    def check_rights(self, key: str) -> None:
        """Refuse a file that holds a secret and that others can read."""
        path = self._secure_path if _at(self._secure, key) is not None else self.path
        with _said(self.name):
            trust.read(path, private=True)

    def fault(self, key: str, problem: str, cure: str) -> ConfigError:
        return ConfigError(OPTION, self.name, f"{self.path}: clouds.{self.name}.{key} {problem}", cure)


def _path() -> Path:
    """Never the working directory's: that one may be anybody's, or come with files from elsewhere."""
    named = os.environ.get(FILE_VARIABLE)
    homes = [home / ".config" / "openstack"] if (home := paths.home()) else []
    usual = [folder / "clouds.yaml" for folder in (*homes, Path("/etc/openstack"))]
    places = [Path(named)] if named else usual
    for path in places:
        if path.is_file():
            return path
    looked = ", ".join(map(str, places))
    raise ConfigError(
        OPTION, "", f"there is no clouds.yaml; looked for {looked}", f"make it, or set {FILE_VARIABLE}"
    )


@contextmanager
def _said(name: str) -> Iterator[None]:
    try:
        yield
    except trust.DistrustError as error:
        raise ConfigError(OPTION, name, f"{error.path} {error.problem}", error.cure) from None


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        with _said(""):
            read = yaml.load(trust.read(path), Loader=_literal_loader())  # noqa: S506 - a safe one
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise ConfigError(OPTION, "", f"{path} cannot be read ({reason})", "correct its rights") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)  # the error's own text quotes the line
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(OPTION, "", f"{path}{where}: is no YAML", "correct it") from None
    except RecursionError:
        raise ConfigError(OPTION, "", f"{path}: is too deep, or holds itself", "correct it") from None
    return read if isinstance(read, dict) else {}


@cache
def _literal_loader() -> type[Any]:
    """Reads values as they are written: YAML makes another text of 0123, 2024_01, 12:30 and yes."""
    import yaml

    class Literal(yaml.SafeLoader):
        """Knows of values only whether there is one."""

    Literal.yaml_implicit_resolvers = {
        first: [one for one in rules if one[0] in _KINDS]
        for first, rules in Literal.yaml_implicit_resolvers.items()
    }
    return Literal


def _clouds(read: Mapping[str, Any]) -> Mapping[str, Any]:
    found = read.get("clouds")
    return found if isinstance(found, dict) else {}


def _cloud(read: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = _clouds(read).get(name)
    return found if isinstance(found, dict) else {}


def _at(entry: Mapping[str, Any], key: str) -> Any:
    value: Any = entry
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
