"""``queue.tfvars``: a queue's shape as Terraform variables, for Terraform and for reviewers.

Jinja2 renders it; pyhcl reads it back, so that a template which says something else than the options
is found before Terraform sees it.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import replace
from typing import Any

import hcl
import jinja2

from tfce.config.data import data_path
from tfce.config.offerings import Offering, offerings
from tfce.config.options import Queue
from tfce.config.readers import Spot
from tfce.model import fork
from tfce.model.errors import TfceError
from tfce.model.images import means_newest
from tfce.store.workspace import Workspace
from tfce.terraform.modules import module_for

# What a quoted text of HCL may not hold as it is: escapes, control characters, and the start of a template.
_SPECIAL = re.compile(r"[\\\"\x00-\x1f\x7f]|[$%](?=\{)")


def variables(queue: Queue) -> dict[str, dict[str, Any]]:
    """The root module's variables that a queue's options decide, in sections (comment -> variables)."""
    return {
        "Whose pilots these are: the VMs' tags": {
            "ce": queue.ce,
            "queue": queue.name,
            "name_prefix": queue.workspace.name_prefix,
            "tags": queue.shape.tags,
        },
        "What a pilot's VM is made of": {
            "image": queue.shape.image,
            "image_owners": list(queue.shape.image_owners),
            "flavor": queue.shape.flavor,
            "networks": list(offerings(queue)[0].networks),
            "key_pair": queue.shape.ssh_key or None,
            "security_groups": list(queue.shape.security_groups),
            "availability_zone": queue.shape.availability_zone or None,
            "root_volume_gb": queue.shape.root_volume,
            **_market(queue, offerings(queue)[0]),
        },
        "Which cloud, and how patiently": {
            **({"cloud": queue.endpoint.cloud} if module_for(queue).bulk else {}),
            "region": queue.endpoint.region,
            "endpoint": queue.endpoint.url,
            "create_timeout": f"{queue.terraform.create_timeout}s",
            "max_retries": queue.terraform.max_retries,
        },
    }


def write(workspace: Workspace) -> None:
    """Write ``queue.tfvars`` from the options where it differs, for Terraform and for reviewers. Another offering
    that the last run was about stays, so that a plan is empty, as long as the options have it."""
    workspace.variables.write_shape(render(workspace.queue))
    queue = workspace.queue
    image = last_image(workspace) if means_newest(queue.shape.image) else ""
    every = [one for one in workspace.network_zones.offerings if image or not _is_shape(queue, one)]
    known = {_chosen(queue, replace(one, image=image) if image else one) for one in every}
    if workspace.variables.offering not in (None, *known):
        workspace.variables.write_offering(None)


def last_image(workspace: Workspace) -> str:
    """The image that the last run was about, where the options name a pattern; "" before the first."""
    try:
        found = json.loads(workspace.variables.offering or "{}")
    except ValueError:  # torn
        return ""
    image = found.get("image") if isinstance(found, dict) else None
    return image if isinstance(image, str) else ""


def choose(workspace: Workspace, offering: Offering) -> None:
    """Let the next run be about ``offering``. What runs already is not touched: a VM keeps what it was made of."""
    workspace.variables.write_offering(
        None if _is_shape(workspace.queue, offering) else _chosen(workspace.queue, offering)
    )


def _is_shape(queue: Queue, offering: Offering) -> bool:
    """Whether ``queue.tfvars`` says all of it."""
    return offering == offerings(queue)[0]


def _chosen(queue: Queue, offering: Offering) -> str:
    image = {"image": offering.image} if offering.image != queue.shape.image else {}
    return json.dumps({**offering.variables, **image, **_market(queue, offering)}, sort_keys=True) + "\n"


def _market(queue: Queue, offering: Offering) -> dict[str, Any]:
    return {} if queue.shape.spot is Spot.NO else offering.in_market


def render(queue: Queue) -> str:
    """The text of ``queue.tfvars``; the same options give the same bytes."""
    sections = variables(queue)
    flat = {name: value for section in sections.values() for name, value in section.items()}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_path("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  the output is HCL, escaped by the filter below
    )
    environment.filters["hcl"] = to_hcl
    text = environment.get_template("queue.tfvars.j2").render(
        label=" ".join(queue.label.split()),
        sections=[(one, max(map(len, section)), list(section.items())) for one, section in sections.items()],
    )
    _verify(text, flat)
    return text


def to_hcl(value: Any) -> str:
    """``value`` (text, number, list, map, None) as an HCL expression without functions."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return '"' + _SPECIAL.sub(lambda found: f"\\u{ord(found[0]):04x}", value) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(to_hcl, value)) + "]"
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{to_hcl(k)} = {to_hcl(v)}" for k, v in sorted(value.items())) + " }"
            if value
            else "{}"
        )
    return json.dumps(value)


def _verify(text: str, wanted: dict[str, Any]) -> None:
    # pyhcl leaves escapes undecoded and reads null as text.
    try:
        found = _parsed(text)
    except ValueError as error:
        raise TfceError(f"templates/queue.tfvars.j2 does not render tfvars ({error}); put it right") from None
    wrong = [name for name, value in wanted.items() if name not in found or not _same(found[name], value)]
    if wrong or set(found) - set(wanted):
        names = ", ".join(wrong or sorted(set(found) - set(wanted)))
        raise TfceError(f"templates/queue.tfvars.j2 does not render {names} as the options say; put it right")


_parsing = fork.Lock()


def _parsed(text: str) -> dict[str, Any]:
    with _parsing:  # what another thread is at is not done twice
        return _read(text)


@functools.lru_cache(maxsize=64)
def _read(text: str) -> dict[str, Any]:
    found: dict[str, Any] = hcl.loads(text)  # builds its parser each time, which takes 0.1 s
    return found


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, (int, float)):
        return bool(found == wanted)
    if wanted is None:
        return bool(found == "null")
    if isinstance(wanted, str):
        return bool(found == to_hcl(wanted)[1:-1])
    return isinstance(found, type(wanted)) and len(found) == len(wanted)
