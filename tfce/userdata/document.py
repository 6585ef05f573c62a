"""One pilot's user data: a cloud-init document built as data, packed for the cloud that will take it.

The result is always ASCII text: Terraform reads it with ``file()``, which knows UTF-8 only and normalises it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfce.config.capabilities import Limit
from tfce.model.errors import ConfigError, TfceError
from tfce.model.trace import phase
from tfce.userdata.advice import changes, too_large
from tfce.userdata.dump import whole
from tfce.userdata.pack import compress, pack
from tfce.userdata.recipe import Recipe
from tfce.userdata.sources import OPTION, script
from tfce.userdata.template import (
    EXECUTABLE,
    PROXY,
    STAMP,
    STAMP_RULE,
    Template,
    holds_proxy,
    load,
)

__all__ = [
    "Context",
    "ContextError",
    "Limit",
    "Recipe",
    "check",
    "preview",
    "render",
    "takes_batches",
]

SQUIDS_OPTION = "Context_CVMFSProxies"

_PLAIN = re.compile(rb"[\t\n\x20-\x7e]*")


class ContextError(TfceError):
    """What a VM was to be given cannot be put into user data."""

    exit_code = 2
    kind = "context"


@dataclass(frozen=True)
class Context:
    """One pilot's frozen user data: ASCII text and the hexadecimal SHA-256 of it."""

    key: str
    data: bytes
    digest: str


@phase("render user data")
def render(recipe: Recipe, *, key: str, wrapper: bytes, proxy: bytes | None = None) -> Context:
    """The user data of pilot ``key``, or of all pilots whose stamps follow this rule; the same input gives
    the same bytes. Raises ConfigError for a broken template or when the result is over the cloud's bound,
    ContextError for an unusable key or wrapper."""
    data = _packed(recipe, key, wrapper, proxy)
    if recipe.limit.measure(data) > recipe.limit.size:
        raise _too_large(recipe, key, wrapper, proxy)
    return Context(key, data, hashlib.sha256(data).hexdigest())


def _packed(recipe: Recipe, key: str, wrapper: bytes, proxy: bytes | None) -> bytes:
    return pack(_dump(recipe, key, _secrets(wrapper, proxy)), recipe.limit)


def preview(recipe: Recipe, *, key: str, wrapper: bytes, proxy: bytes | None = None, masked: bool = True) -> str:
    """The document as cloud-init reads it on the VM, headed by its packed size. ``masked`` (the default) puts
    a size and checksum in the place of wrapper and proxy, as both hold credentials. Never too large."""
    secrets = _secrets(wrapper, proxy)
    text = _dump(recipe, key, secrets)
    size = recipe.limit.measure(pack(text, recipe.limit))
    if masked:
        text = _dump(recipe, key, {name: _mask(name, value) for name, value in secrets.items()})
    return f"{text}# {size} of {recipe.limit.size} bytes of {recipe.limit.name} user data when packed\n"


def takes_batches(recipe: Recipe) -> bool:
    """Whether VMs of the recipe can tell their stamps themselves, and so may share their user data."""
    text = repr(load(recipe.template).document)
    return STAMP_RULE in text and STAMP not in text


def check(recipe: Recipe) -> None:
    """Raises ConfigError when the template cannot be read or used, or is over the bound without a pilot."""
    render(recipe, key="0" * 8, wrapper=b"#!/bin/sh\n")


def _secrets(wrapper: bytes, proxy: bytes | None) -> dict[str, bytes | None]:
    if not wrapper:
        raise ContextError("the pilot wrapper is empty: the VM would have nothing to run")
    return {EXECUTABLE: wrapper, PROXY: proxy or None}


def _mask(name: str, value: bytes | None) -> bytes | None:
    if value is None:
        return None
    return f"<{name}: {len(value)} bytes, sha256 {hashlib.sha256(value).hexdigest()}, not shown>".encode()


def _dump(recipe: Recipe, key: str, secrets: Mapping[str, bytes | None]) -> str:
    template = load(recipe.template)
    if secrets[PROXY] and not holds_proxy(template.document):
        raise ConfigError(
            OPTION,
            str(recipe.template),
            f"no entry of write_files has the content {PROXY}, so the proxy would not reach the pilot",
            "add such an entry, or set Context_ProxyLifetime = none where the wrapper brings a proxy",
        )
    document: dict[str, Any] = _fill(template.document, _words(recipe, key))
    files = (_place(entry, secrets, template) for entry in document["write_files"])
    document["write_files"] = [entry for entry in files if entry is not None]
    if recipe.packages:
        document["packages"] = [*document.get("packages", ()), *recipe.packages]
    return whole(document, template.jinja)


def _words(recipe: Recipe, key: str) -> dict[str, str]:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}#?", key):
        raise ContextError(f"{key!r} cannot be a stamp: letters, digits, '_' and '-', at most 32 of them")
    # The value is read by a shell on the VM.
    if not re.fullmatch(r"[A-Za-z0-9_.:/;|@\[\] -]*", recipe.cvmfs_proxies):
        raise ConfigError(
            SQUIDS_OPTION,
            recipe.cvmfs_proxies,
            "holds a character that no list of proxies has",
            "write it like http://squid.example.org:3128;DIRECT",
        )
    return {
        STAMP: key,
        STAMP_RULE: key,
        "STARTLIMIT_STR": str(min(recipe.start_limit, recipe.max_lifetime)),
        "LIFETIME_STR": str(recipe.max_lifetime),
        "MARGIN_STR": str(recipe.drain_margin),
        "NOTICE_STR": script(f"notices/{recipe.cloud}.sh"),
        "LINGER_STR": str(recipe.linger),
        "SQUIDS_STR": recipe.cvmfs_proxies,
    }


def _fill(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for word, text in words.items():
            value = value.replace(word, text)
        return value
    if isinstance(value, list):
        return [_fill(item, words) for item in value]
    if isinstance(value, dict):
        return {key: _fill(item, words) for key, item in value.items()}
    return value


def _place(
    entry: dict[str, Any], secrets: Mapping[str, bytes | None], template: Template
) -> dict[str, Any] | None:
    """The entry with wrapper or proxy in it; None where it was the place of a proxy that is not given."""
    content = entry.get("content")
    name = content.strip() if isinstance(content, str) else ""
    if name not in secrets:
        return entry
    value = secrets[name]
    if value is None:
        return None
    placed = {key: item for key, item in entry.items() if key not in ("content", "encoding")}
    if name == PROXY:
        placed["permissions"] = "0600"
    return placed | _content(value, as_text=not template.jinja)


def _content(value: bytes, *, as_text: bool) -> dict[str, str]:
    """``value`` as content of write_files that cloud-init turns back into the same bytes."""
    if as_text and _PLAIN.fullmatch(value):
        return {"content": value.decode("ascii")}
    forms = {"b64": value, "gz+b64": compress(value)}
    encoding = min(forms, key=lambda form: len(forms[form]))
    return {"encoding": encoding, "content": base64.b64encode(forms[encoding]).decode("ascii")}


def _too_large(recipe: Recipe, key: str, wrapper: bytes, proxy: bytes | None) -> ConfigError:
    def size(other: Recipe, own: bytes | None) -> int:
        return other.limit.measure(_packed(other, key, wrapper, own))

    sizes = [(words, size(other, own)) for words, other, own in changes(recipe, wrapper, proxy)]
    return too_large(recipe, size(recipe, proxy), sizes, wrapper, proxy)
