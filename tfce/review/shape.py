"""A queue's shape as files in git, and the way back: what is read there comes from outside, and is checked here.

``queue.tfvars`` is Terraform's; ``pilot.json`` has what no variable says: the alternatives to flavor, network and
zone, what a VM is told, and the digests of module and template.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfce.config.offerings import offerings
from tfce.config.options import Queue
from tfce.model.errors import ConfigError
from tfce.model.proxy import ProxyRule
from tfce.model.review import Difference
from tfce.store.review_copies import REST, VARIABLES
from tfce.terraform import variables
from tfce.terraform.modules import module_for
from tfce.userdata import fixed

NONE = "none"


@dataclass(frozen=True)
class Pinned:
    """A template or module: its name, and the digest of what it says ("": it cannot be read)."""

    name: str
    digest: str

    def __str__(self) -> str:
        return f"{self.name} ({self.digest[:12] or 'unreadable'})"


def repinned(template: tuple[Pinned, Pinned], module: tuple[Pinned, Pinned]) -> Iterator[Difference]:
    """What says something else than it did: of each what was approved, and what is asked for."""
    for option, (old, new) in (("Context_Template", template), ("Terraform_Module", module)):
        if old.digest != new.digest:
            yield Difference(option, str(old), str(new))


def texts(queue: Queue) -> dict[str, str]:
    """The files that say the shape which the options of ``queue`` ask for, by name. The same options give the same
    bytes, on any host: no credentials, no workspace, no cloud. Raises ``ConfigError`` for a template that cannot
    be read."""
    return {VARIABLES: variables.render(queue), REST: rest(queue)}


def rest(queue: Queue) -> str:
    """The text of ``pilot.json``."""
    found = {
        "alternatives": alternatives(queue),
        "module": vars(module(queue)),
        "template": vars(Pinned(template_name(queue), fixed.digest(queue.userdata.template))),
        "user_data": told(queue),
    }
    return json.dumps(found, indent=2, sort_keys=True) + "\n"


def alternatives(queue: Queue) -> dict[str, list[str]]:
    """What is tried where there is no room for what ``queue.tfvars`` names, in this order."""
    shape, first = queue.shape, offerings(queue)[0]
    networks = list(shape.networks[1:]) if len(first.networks) < len(shape.networks) else []
    return {"flavors": list(shape.flavors[1:]), "networks": networks, "zones": list(shape.zones[1:])}


def told(queue: Queue) -> dict[str, Any]:
    """What a VM is told beside its template."""
    options = queue.userdata
    return {
        "cvmfs_proxies": options.cvmfs_proxies,
        "drain_margin": options.margin,
        "linger": options.linger,
        "max_lifetime": options.max_lifetime,
        "packages": list(options.packages),
        "proxy_lifetime": proxy_word(options.proxy_lifetime),
    }


def proxy_word(rule: ProxyRule) -> int | str | None:
    """Seconds, ``none``, or None where the pilot wrapper decides."""
    if not rule.always:
        return None
    return NONE if rule.seconds is None else rule.seconds


def template_name(queue: Queue) -> str:
    """What the template is called: without its folder, which is the host's own affair."""
    return queue.userdata.template.name if queue.userdata.template else "tfce"


def template(queue: Queue) -> Pinned:
    """The template that the options name, as it is now."""
    try:
        return Pinned(template_name(queue), fixed.digest(queue.userdata.template))
    except ConfigError:
        return Pinned(template_name(queue), "")


def module(queue: Queue) -> Pinned:
    """The root module that the options name, as it is now."""
    chosen = queue.terraform.module
    folder = module_for(queue).folder
    return Pinned(chosen.name if isinstance(chosen, Path) else chosen, module_digest(folder))


def module_texts(folder: Path) -> dict[str, str]:
    """The files of a root module."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.tf"))}


def module_digest(folder: Path) -> str:
    """Of the files of a root module; "" where there are none that can be read."""
    try:
        found: Mapping[str, str] = module_texts(folder)
    except (OSError, UnicodeDecodeError):
        return ""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest() if found else ""
