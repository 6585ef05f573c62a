"""The process's environment as input from outside: variables that libraries read by themselves, and fail or end
the process on. They are looked at before the libraries do it, and named with value and cure. Pure but for files.

What Terraform inherits is another matter: ``credentials.base_environment``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from tfce.model.errors import ConfigError, Fault

_AUTHORITIES = "set it to a file with certificates of authorities (PEM), or unset it"
_PROXY = "correct it or unset it, or name the cloud's host in NO_PROXY"
_UNSET = "unset it, also where a service's file sets it"
_CERTIFICATE = b"-----BEGIN "
_LARGEST = 2**24  # bytes of a file of certificates that are looked at
_ENGINES = ("epoll1", "poll", "all")  # of grpc, that can wait; it takes the first of a list that it knows
_ALL_ENGINES = (*_ENGINES, "none")
_PROTOBUF = ("upb", "python")
_PROXIES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")

Judge = Callable[[str], str]  # what is wrong with a value, "" for nothing


def check_cloud(environ: Mapping[str, str] = os.environ) -> None:
    """Raise ``ConfigError`` where libcloud could not be imported."""
    _raise(_faults(environ, (("SSL_CERT_FILE", _absent, _AUTHORITIES), ("LIBCLOUD_DEBUG", _writable, _UNSET))))


def check_provider(environ: Mapping[str, str] = os.environ, optimized: int | None = None) -> None:
    """Raise ``ConfigError`` where tfce's Terraform provider could not be served from this process, which grpc ends
    where it cannot wait. ``optimized``: Python's -O, this one's unless given."""
    found = list(
        _faults(
            environ,
            (
                ("GRPC_POLL_STRATEGY", _engine, _UNSET),
                ("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", _implementation, _UNSET),
            ),
        )
    )
    level = sys.flags.optimize if optimized is None else optimized
    if level > 1:
        problem = (
            "Python leaves the docstrings out, which a library of Terraform's language reads its grammar from"
        )
        found.append(
            Fault("PYTHONOPTIMIZE", str(level), problem, "set it to 1, or unset it; or run python without -OO")
        )
    _raise(found)


def tls(authority: str, environ: Mapping[str, str] = os.environ) -> Fault | None:
    """Why no connection with TLS can be made. ``authority``: the file of certificates that is used."""
    if problem := _unusable(authority):
        names = [name for name in ("SSL_CERT_FILE", "OS_CACERT") if environ.get(name) == authority]
        return Fault(names[0] if names else "Driver_ca_cert", authority or "''", problem, _AUTHORITIES)
    keys = environ.get("SSLKEYLOGFILE", "")
    return Fault("SSLKEYLOGFILE", keys, problem, _UNSET) if (problem := _writable(keys)) else None


def proxy(
    scheme: str, value: str, said: str, socks: bool, environ: Mapping[str, str] = os.environ
) -> Fault | None:
    """Why nobody can be reached by ``scheme`` through the proxy ``value``, whose login is not shown; None where
    that is not known. ``said``: what became of it, where that is its doing; ``socks``: whether SOCKS can be
    spoken."""
    known = (f"{scheme}_proxy", "all_proxy")
    names = [name for name, text in environ.items() if name.lower() in known and text == value]
    shown, problem = _proxy_url(value, socks)
    problem = problem or (said and f"the proxy does not answer ({said})")
    name = names[0] if names else "Driver_proxy_url"
    return Fault(name, shown, problem, _PROXY) if problem else None


def _proxy_url(value: str, socks: bool) -> tuple[str, str]:
    """A proxy's URL without login, and what is wrong with it."""
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        port = f":{parts.port}" if parts.port else ""
        host = parts.hostname or ""
    except ValueError:
        return "(not shown)", "is no URL of a proxy"
    shown = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"
    if not host or parts.scheme not in _PROXIES:
        return shown, f"is no URL of a proxy, which begins with one of {', '.join(_PROXIES)}"
    if parts.scheme.startswith("socks") and not socks:
        return shown, "speaks SOCKS, which wants the package PySocks (pip install PySocks)"
    return shown, ""


def _absent(value: str) -> str:
    if not value or not Path(value).exists():
        return "there is no such file"
    return "is a folder" if Path(value).is_dir() else ""


def _unusable(value: str) -> str:
    """What is wrong with a file of certificates."""
    if problem := _absent(value):
        return problem
    try:
        with Path(value).open("rb") as stream:
            return "" if _CERTIFICATE in stream.read(_LARGEST) else "holds no certificate"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _writable(value: str) -> str:
    path = Path(value)
    if not value:
        return ""
    there = path if path.exists() else path.parent
    return "" if not path.is_dir() and os.access(there, os.W_OK) else "is no file that can be written"


def _engine(value: str) -> str:
    first = next((one for one in value.split(",") if one in _ALL_ENGINES), "")
    return (
        ""
        if first in _ENGINES
        else f"grpc cannot wait in this way, and would end the process; {_one_of(_ENGINES)}"
    )


def _implementation(value: str) -> str:
    return "" if value in _PROTOBUF else f"protobuf knows no such implementation; {_one_of(_PROTOBUF)}"


def _one_of(words: Iterable[str]) -> str:
    return f"it knows {', '.join(words)}"


def _faults(environ: Mapping[str, str], rules: Iterable[tuple[str, Judge, str]]) -> Iterator[Fault]:
    for name, judge, cure in rules:
        value = environ.get(name)
        problem = "" if value is None else judge(value)
        if problem:
            yield Fault(name, value or "''", problem, cure)


def _raise(faults: Iterable[Fault]) -> None:
    found = tuple(faults)
    if found:
        raise ConfigError.of(found)
