"""What can be seen to be wrong with a backend's section before anybody is asked. No text shows a value: most
hold a login."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, urlsplit

Problem = tuple[str, str]  # and its cure
_REQUIRED = {"pg": ("conn_str",), "s3": ("bucket", "region"), "http": ("address",)}
_EXAMPLES = {
    # A login in an address would be redacted.
    "pg": "conn_str = postgres://db.example.org/tfce, and before its host USER:PASSWORD and @",
    "s3": "bucket = tfce-prod, region = eu-west-1, access_key and secret_key",
    "http": "address = https://gitlab.example.org/api/v4/projects/42/terraform/state, username and password",
}
_OWN_PLACE = {"pg": "schema_name", "s3": "bucket, or workspace_key_prefix", "http": "address"}
_ENVIRONMENT = re.compile(
    r"(ARM|AZURE|GOOGLE|CONSUL|KUBE|TENCENTCLOUD|ALICLOUD|AWS|TF_HTTP|PG)_[A-Z0-9_]+|PG[A-Z]+"
)
SECRET = re.compile(r"secret|token|password|passwd|conn_str|cred|_key$|^key_")
_UNLOCKED = ("use_lockfile", "lock_address", "unlock_address", "skip_locking", "lock")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SPELL = "in user and password write each of : / ? # [ ] @ % as % and its two hex digits, for example %40 for @"


def example(name: str) -> str:
    """What a section may look like."""
    lines = _EXAMPLES.get(name)
    return f"a section [{name}] with {lines}" if lines else f"a section [{name}]"


def own_place(name: str) -> str:
    """Which lines of a section tell one place in a backend from another."""
    return _OWN_PLACE.get(name, "see Terraform's manual")


def problems(name: str, values: Mapping[str, str], variables: Mapping[str, str]) -> list[Problem]:
    """All that is wrong with a section. ``variables``: the names in it that Terraform takes as variables."""
    found = [
        (f"[{name}] has no {key}", f"add a line {key} = ...")
        for key in _REQUIRED.get(name, ())
        if key not in values
    ]
    for key, value in values.items():
        if key in _UNLOCKED:
            found.append((f"[{name}] {key}: tfce always locks", "take the line out"))
        elif key.isupper() and not _ENVIRONMENT.fullmatch(key):
            found.append((f"[{name}] {key} is no variable of a backend", "take the line out"))
        elif not key.isupper() and key not in variables and key != "address" and SECRET.search(key):
            cure = "write the environment variable that Terraform's manual gives for it, in capitals"
            found.append((f"[{name}] {key} would be written in clear into .terraform/", cure))
        elif (name, key) in _ADDRESSES and (wrong := _ADDRESSES[name, key](value)):
            found.append((f"[{name}] {key} {wrong[0]}", wrong[1]))
    return found


def _connection(text: str) -> Problem | None:
    if "://" not in text:
        return None if "=" in text else ("is no connection string", f"write {_EXAMPLES['pg']}")
    parts = _parts(text)
    if parts is None or parts.fragment or "@" in f"{parts.path}{parts.query}" or _ESCAPE.search(text):
        return "cannot be taken apart: a character that means something in an address stands for itself", _SPELL
    if parts.scheme not in ("postgres", "postgresql"):
        return "does not begin with postgres://", f"write {_EXAMPLES['pg']}"
    return None


def _web(text: str) -> Problem | None:
    parts = _parts(text)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        return "is no address", "write https://, the host and where on it"
    if "@" in text:
        return "has a login in it", "take it out of the address; it has lines of its own"
    if parts.query or parts.fragment:
        return "has a ? or a # in it", "write it without: the states are beneath it"
    return None


def _parts(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        return parts if parts.port != 0 else None
    except ValueError:  # its text is a part of the address
        return None


_ADDRESSES: Mapping[tuple[str, str], Callable[[str], Problem | None]] = {
    ("pg", "conn_str"): _connection,
    ("s3", "endpoint"): _web,
    ("http", "address"): _web,
}
