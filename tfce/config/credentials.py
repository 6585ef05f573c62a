"""Secrets: read from ``cloud.auth``, handed to libcloud and to Terraform's environment, shown to nobody."""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tfce.config import clouds_yaml, grid_proxy, inifile, openstack_logins, trust
from tfce.config.endpoint import SECRET_DRIVER_OPTIONS, Endpoint
from tfce.config.options import Queue
from tfce.model import redact
from tfce.model.errors import ConfigError

# What a child process may inherit. Nothing that could name another identity (AWS_*, OS_*) or change what
# Terraform does (TF_*) gets through.
_INHERITED = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TZ|TMPDIR|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE"
    r"|PYTHON(PATH|HOME)|LD_LIBRARY_PATH|(HTTP|HTTPS|NO|ALL)_PROXY|XDG_\w+",
    re.IGNORECASE,
)

_SEARCHED = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")

# Not as "secret = ...": it would be taken for one, and masked.
_EXAMPLE = "an ini file: below `[DEFAULT]` a line `name = value` for `key`, and one for `secret`"

# No other identity may slip in from a profile or from the host's own metadata service.
NO_OTHER_AWS: Mapping[str, str] = {
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}

PROXY = "PROXY"  # the secret that means: the path of the pilot proxy


@dataclass(frozen=True)
class Credentials:
    """Key and secret of one CE. Neither is ever shown: not by repr, not in an error."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        redact.learn(*self.secrets())

    def secrets(self) -> tuple[str, ...]:
        """The texts to mask in whatever is shown."""
        return tuple(filter(None, (self.secret, self.token)))


def load(queue: Queue, proxy: Callable[[], str] | None = None) -> Credentials:
    """The credentials of ``queue``'s CE from the file CloudAuth names.

    The section of the CE's name overrides DEFAULT. Quotes around values are
    taken off, ``%`` and ``$`` mean themselves. The secret PROXY stands for the path that ``proxy`` gives, else
    X509_USER_PROXY. ``token``: the session token of temporary EC2 credentials. Clouds whose login is one text, a
    token, take it as ``secret``.
    Where Driver_cloud names an entry of clouds.yaml, that file has the login instead. Raises ``ConfigError``
    without showing a value.
    """
    if queue.endpoint.entry:
        return Credentials(*clouds_yaml.login(queue.endpoint.entry))
    path: Path = queue.access.auth_file
    parser = _parsed(path)
    section = parser[queue.ce] if parser.has_section(queue.ce) else parser["DEFAULT"]
    values = {name: inifile.unquoted(section.get(name, "")) for name in ("key", "secret", "token")}
    _complete(queue, path, values)
    if values["token"] and not queue.endpoint.capabilities.session_token:
        raise _fault(
            path, f"holds a session token, which {queue.endpoint.cloud} does not take", "take `token` out"
        )
    if values["secret"] == PROXY:
        values["secret"] = _proxy(queue, path, proxy)
    token = values["token"] or str(queue.endpoint.driver.get("token", ""))
    return Credentials(values["key"], values["secret"], token)


def _parsed(path: Path) -> configparser.RawConfigParser:
    """The file's sections; it is the user's own and private."""
    try:
        return inifile.parsed(path, _EXAMPLE)
    except inifile.UnreadError as error:
        raise _fault(path, error.problem, error.cure) from None
    except configparser.MissingSectionHeaderError as error:
        problem = f"line {error.lineno}: there is no header `[DEFAULT]` or `[CE]` above it"
        raise _fault(path, problem, f"write {_EXAMPLE}") from None
    except configparser.Error as error:
        line = getattr(error, "lineno", None) or next((n for n, _ in getattr(error, "errors", [])), "?")
        raise _fault(path, f"line {line} is not `name = value`", f"correct it: {_EXAMPLE}") from None
    except UnicodeDecodeError:
        raise _fault(path, "is not text", f"write {_EXAMPLE}") from None


def _complete(queue: Queue, path: Path, values: Mapping[str, str]) -> None:
    needed = ("key", "secret") if queue.endpoint.capabilities.key else ("secret",)
    missing = [name for name in needed if not values[name]]
    if missing:
        raise _fault(path, f"no {' and no '.join(missing)} for {queue.ce}", f"add it to [{queue.ce}] or [DEFAULT]")


def _proxy(queue: Queue, path: Path, proxy: Callable[[], str] | None) -> str:
    if not queue.endpoint.capabilities.grid_proxy:
        problem = f"secret = PROXY names a grid proxy, which {queue.endpoint.cloud} does not take"
        raise _fault(path, problem, "write the secret access key")
    named = proxy() if proxy else os.environ.get("X509_USER_PROXY")
    if not named:
        cure = "set X509_USER_PROXY to the path of yours, or write a secret"
        raise _fault(path, "secret = PROXY, but only DIRAC's agents have the pilot proxy", cure)
    try:
        grid_proxy.check(Path(named), datetime.now(UTC))
    except inifile.UnreadError as error:
        raise _fault(path, f"secret = PROXY means {named}, which {error.problem}", error.cure) from None
    return named


def _fault(path: Path, problem: str, cure: str) -> ConfigError:
    return ConfigError("CloudAuth", str(path), problem, cure)


def public_driver_options(queue: Queue) -> dict[str, object]:
    """The driver options that are no secrets."""
    return {name: value for name, value in queue.endpoint.driver.items() if name not in SECRET_DRIVER_OPTIONS}


def base_environment(inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """The part of our own environment that a Terraform run may see. Of what decides which program or library is
    run, only folders that nobody else can write."""
    source = os.environ if inherited is None else inherited
    passed = {name: value for name, value in source.items() if _INHERITED.fullmatch(name)}
    sound = {name: trust.entries(passed[name]) for name in _SEARCHED if name in passed}
    return {name: value for name, value in {**passed, **sound}.items() if value or name not in _SEARCHED}


def terraform_environment(
    queue: Queue, credentials: Credentials, token: Callable[[], str] = str
) -> dict[str, str]:
    """The environment variables that carry ``credentials`` to the Terraform provider of ``queue``. ``token``
    gives one where a token is handed over."""
    made = _NATIVE.get(queue.endpoint.capabilities.native)
    return made(queue.endpoint, credentials, token) if made else {}


def _openstack(endpoint: Endpoint, credentials: Credentials, token: Callable[[], str]) -> dict[str, str]:
    values = openstack_logins.environment(
        endpoint.driver, credentials.key, credentials.secret, endpoint.region, token
    )
    redact.learn(values.get("OS_TOKEN", ""))
    authority = os.environ.get("OS_CACERT")
    return {"OS_CACERT": authority, **values} if authority else values


def _aws(endpoint: Endpoint, credentials: Credentials, token: Callable[[], str]) -> dict[str, str]:
    values = {
        "AWS_ACCESS_KEY_ID": credentials.key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret,
        **NO_OTHER_AWS,
    }
    return values | ({"AWS_SESSION_TOKEN": credentials.token} if credentials.token else {})


# What the ready-made Terraform providers read, by the root module over them.
_NATIVE: Mapping[str, Callable[[Endpoint, Credentials, Callable[[], str]], dict[str, str]]] = {
    "openstack": _openstack,
    "aws": _aws,
}
