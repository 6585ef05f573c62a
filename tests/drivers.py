"""docs/drivers.md, made of what libcloud's classes say: ``python -m tests.drivers --write``."""

from __future__ import annotations

import sys
from pathlib import Path

from libcloud.compute.providers import DRIVERS

from tfce.cloud.generic.signature import Signature, driver_class, signature_of
from tfce.config.clouds import TYPES
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

## What was run, and against what

| driver | against | how |
|---|---|---|
| `OPENSTACK` | keystone, nova, neutron, glance, cinder from PyPI; QEMU | `make test-openstack`, `test-boot` |
| `EC2` | LocalStack and moto; not Amazon's | `make test`, `test-native` |
| `CLOUDSTACK` | an emulator of ours: signed requests, jobs, the bound on user data | contract suite, `make test` |
| `DIGITALOCEAN` | an emulator of ours: API v2; libcloud's class with another address | the same |
| `LINODE` | an emulator of ours: API v4 | the same |
| `VULTR` | an emulator of ours: API v2 | the same |
| a class of yours | VMs that are files (`tests/e2e/moto/filecloud.py`) | the main job, `make test` |
| all others | nothing: the table below is read off libcloud's classes | |

The emulators (`tests/rigs/clouds`) answer as the vendors document it, with the fields that libcloud reads.
They show that pilots can be listed, created with their user data, removed, and told from others by name. They do
not show that the vendor's cloud behaves so.

What running them taught: a VM of `CLOUDSTACK` stays off unless libcloud is told to start it, which tfce does.
`DIGITALOCEAN`, `EQUINIXMETAL`, `LINODE` and `VULTR` know one secret, a token: write it as `secret` in the file
that CloudAuth names; they need no `key`. They want a location for each VM: set `Terraform_AvailabilityZone`.
`LINODE` makes no VM without a root password: each gets one of its own, at random, that is written nowhere.

What lacks: `CLOUDSTACK`, `AURORA_COMPUTE`, `EXOSCALE` and `IKOULA` take 4096 characters of user data, since
libcloud puts them into the URL. tfce's own templates do not fit, nor do the wrappers that DIRAC's SiteDirector
makes: the suite runs with a template of a few lines. `tfce doctor` says so before the first pilot. `GCE` keeps
its token in a file in the home folder; `Driver_credential_file` names another. `OUTSCALE`'s class takes no size
when it creates a VM, and `BRIGHTBOX`'s cannot log in (libcloud 3.9): such a queue is refused. `EQUINIXMETAL`,
`NIMBUS` and the classic `AZURE` are clouds that have closed.

Why not the larger ones: for `GCE` PyPI had no emulator of VMs when we looked (November 2026). For `AZURE_ARM`
it has one, which was not tried: libcloud's call wants an authentication and a resource group that no option of
CloudCE's gives. To `OPENNEBULA` libcloud passes no user data.

## What libcloud's classes have

*Yes* means that the class has the call.

| driver | pilots | list | create | user data | remove | by id | metadata | several at once | needs besides |
|---|---|---|---|---|---|---|---|---|---|
"""
_TAIL = """
*By id*: whether a VM that a list lacks can be asked for. Where it cannot, a short list proves nothing: such a
pilot keeps its state, and its room, until it is older than any may become, or `tfce kill CE/QUEUE REFERENCE`
says that it ends.

*Several at once*: the cloud's own call can make more than one VM, which tfce uses on OPENSTACK and EC2; elsewhere
it asks for `Terraform_Parallelism` VMs side by side. *Needs besides*: parameters of libcloud's
create call that have no default: `location` is `Terraform_AvailabilityZone`; others, as far as they are texts, an
own root module gives in `options` of `tfce_pilots`.

A cloud whose answers tell no time (no `Date`) gets no VM removed for its age: the VM itself ends after
`Context_MaxLifetime`.
"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(_row(name) for name in sorted(DRIVERS, key=str) if "." not in name) + _TAIL


def _row(name: str) -> str:
    try:
        able = signature_of(driver_class(name))
    except ConfigError as error:
        return f"| `{name.upper()}` | no: {error.faults[0].problem} | | | | | | | | |\n"
    if name.upper() in TYPES:
        able = Signature(True, True, True, "user_data", metadata=True, bulk=True, look_up="vm")
    cells = (
        f"`{name.upper()}`",
        "no" if able.refusal else "yes",
        *map(_yes, (able.list, able.create, bool(able.user_data), able.destroy, bool(able.look_up))),
        *map(_yes, (able.metadata, able.bulk)),
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
