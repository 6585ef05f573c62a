"""Looking things up in EC2, by name and for the preflight. Makes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from libcloud.compute.drivers.ec2 import NAMESPACE
from libcloud.utils.xml import findall

from tfce.cloud import clock, images, records
from tfce.cloud.api import Check, Requirements
from tfce.cloud.ec2 import zones
from tfce.cloud.ec2.answers import text_of
from tfce.cloud.ec2.images import matching
from tfce.cloud.ec2.session import Session, filters
from tfce.config.settings import VmShape
from tfce.model.errors import CloudError
from tfce.model.images import NAMED


@dataclass(frozen=True)
class _Kind:
    """One kind of thing: the request about it, the filter that takes its name ("": the name is the id), the
    parameter that takes ids, where they are in the answer, and the option that names it."""

    action: str
    named: str
    ids: str
    items: str
    option: str

    @property
    def identity(self) -> str:
        """Where an item of the answer has its id."""
        return self.ids[0].lower() + self.ids[1:]


_KINDS = {
    "flavor": _Kind("DescribeInstanceTypes", "", "InstanceType", "instanceTypeSet", "Instance_Flavor"),
    "network": _Kind("DescribeSubnets", "tag:Name", "SubnetId", "subnetSet", "Instance_Networks"),
    "key_pair": _Kind("DescribeKeyPairs", "", "KeyName", "keySet", "Instance_SSHKey"),
    "security_group": _Kind(
        "DescribeSecurityGroups", "group-name", "GroupId", "securityGroupInfo", "Terraform_SecurityGroups"
    ),
}


def find(session: Session, kind: str, name: str) -> list[str]:
    """The ids of what is called ``name``."""
    if not _KINDS[kind].named:
        return [name]
    return _ids(_KINDS[kind], _items(session, kind, f"{NAMED}{name}"))


def cores(session: Session, flavor: str) -> int | None:
    """The vCPUs of an instance type."""
    items = _items(session, "flavor", flavor)
    found = records.product(text_of(items[0], "vCpuInfo/defaultVCpus")) if len(items) == 1 else ""
    return int(found) if found else None


def preflight(session: Session, required: Requirements) -> list[Check]:
    """Every check of what VMs are made of, and of the clock."""
    shape = required.shape
    named = [
        *(("flavor", flavor) for flavor in shape.flavors),
        *(("network", network) for network in shape.networks),
        *((("key_pair", shape.ssh_key),) if shape.ssh_key else ()),
        *(("security_group", group) for group in shape.security_groups),
    ]
    checks = [_image(session, shape), *(_exists(session, kind, text) for kind, text in named)]
    return [*checks, *zones.checks(session, shape), _clock(session)]


def _image(session: Session, shape: VmShape) -> Check:
    try:
        return images.check(shape.image, matching(session, shape.image, shape.image_owners))
    except CloudError as error:
        return Check.unanswered("image", error, "Instance_Image")


def _items(session: Session, kind: str, wanted: str) -> list[Any]:
    asked = _KINDS[kind]
    params = {"Action": asked.action}
    if asked.named and wanted.startswith(NAMED):
        params |= filters({asked.named: wanted.removeprefix(NAMED)})
    else:
        params[f"{asked.ids}.1"] = wanted.removeprefix(NAMED)
    answer = session.ask(f"looking for the {kind.replace('_', ' ')} {wanted.removeprefix('name:')}", params)
    found: list[Any] = findall(answer, f"{asked.items}/item", NAMESPACE)
    return found


def _ids(kind: _Kind, items: list[Any]) -> list[str]:
    return [str(text_of(item, kind.identity) or "?") for item in items]


def _exists(session: Session, kind: str, wanted: str) -> Check:
    what, option = kind.replace("_", " "), _KINDS[kind].option
    try:
        ids = _ids(_KINDS[kind], _items(session, kind, wanted))
    except CloudError as error:
        return Check.unanswered(what, error, option)
    if len(ids) == 1:
        return Check(what, True, wanted)
    if not ids:
        return Check(what, False, f"{wanted}: there is none", f"set {option} to one that exists")
    return Check(what, False, f"{wanted} matches {len(ids)}: {', '.join(ids)}", f"set {option} to an id")


def _clock(session: Session) -> Check:
    try:
        return clock.check(session.time())
    except CloudError as error:
        return Check.unanswered("clock", error)
