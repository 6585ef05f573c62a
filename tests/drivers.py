"""docs/drivers.md, made of what libcloud's classes say: ``python -m tests.drivers --write``."""

from __future__ import annotations

import sys
from pathlib import Path

from libcloud.compute.providers import DRIVERS

from tfce.cloud.generic.abilities import OWN, Abilities, abilities, driver_class
from tfce.model.errors import ConfigError

PAGE = Path(__file__).resolve().parent.parent / "docs" / "drivers.md"
_HEAD = """# Clouds

<!-- made by `python -m tests.drivers --write` from libcloud's classes; do not edit -->

`CloudType` is one of these names, or the dotted name of a driver class of yours (`package.module.Class`). A
driver has to list, create and remove VMs, and to pass user data to them: without it no pilot would start, and
the queue is refused with that reason.

OPENSTACK and EC2 are served by code of tfce's own: pilots are known by metadata or tags. All others are served
by libcloud's calls through tfce's own Terraform provider, and their pilots are
known by the names of their VMs, which end in marks of the CE and queue, the installation, and the pilot's key.

What *yes* means here is that the class has the call. Runs on real APIs in tfce's tests: OPENSTACK, EC2, and a
dotted class.

| driver | pilots | list | create | user data | remove | metadata | several at once | needs besides |
|---|---|---|---|---|---|---|---|---|
"""
_TAIL = """
*Several at once*: the cloud's own call can make more than one VM, which tfce uses on OPENSTACK and EC2; elsewhere
it asks for `Terraform_Parallelism` VMs side by side. *Needs besides*: parameters of libcloud's
create call that have no default; an own root module gives them in `options` of `tfce_pilots`, as far as they
are texts.
"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(_row(name) for name in sorted(DRIVERS, key=str)) + _TAIL


def _row(name: str) -> str:
    try:
        able = abilities(driver_class(name))
    except ConfigError as error:
        return f"| `{name.upper()}` | no: {error.faults[0].problem} | | | | | | | |\n"
    if name in OWN:
        able = Abilities(True, True, True, "user_data", metadata=True, bulk=True)
    cells = (
        f"`{name.upper()}`",
        "no" if able.refusal else "yes",
        *map(_yes, (able.list, able.create, bool(able.user_data), able.destroy, able.metadata, able.bulk)),
        ", ".join(f"`{need}`" for need in able.needs),
    )
    return f"| {' | '.join(cells)} |\n".replace("|  |", "| |")


def _yes(able: bool) -> str:
    return "yes" if able else "-"


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page())
    elif PAGE.read_text() != page():
        sys.exit("docs/drivers.md is out of date: run python -m tests.drivers --write")
