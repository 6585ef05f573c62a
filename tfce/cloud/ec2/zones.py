"""Where EC2 can have a VM: the zones of subnets, and which flavors there are in a zone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from libcloud.compute.drivers.ec2 import NAMESPACE
from libcloud.utils.xml import findall

from tfce.cloud import records
from tfce.cloud.api import Check
from tfce.cloud.ec2.answers import text_of
from tfce.cloud.ec2.session import Session, literal
from tfce.config.settings import VmShape
from tfce.model.errors import CloudError
from tfce.model.images import NAMED


def of_networks(session: Session, networks: Collection[str]) -> dict[str, str]:
    """The zone of each subnet, "" for one that is not found, or not once."""
    named = [one.removeprefix(NAMED) for one in networks if one.startswith(NAMED)]
    plain = [one for one in networks if not one.startswith(NAMED)]
    found: dict[str, list[str]] = {one: [] for one in networks}
    for item in _subnets(session, plain, named):
        zone, names = records.fact(text_of(item, "availabilityZone")), _names(item)
        for known in {text_of(item, "subnetId") or "", *names} & set(found):
            found[known].append(zone)
    return {one: zones[0] if len(zones) == 1 else "" for one, zones in found.items()}


def _subnets(session: Session, ids: Collection[str], names: Collection[str]) -> Iterator[Any]:
    searches = [{f"SubnetId.{n}": one for n, one in enumerate(ids, 1)}] if ids else []
    if names:
        values = {f"Filter.1.Value.{n}": literal(one) for n, one in enumerate(names, 1)}
        searches.append({"Filter.1.Name": "tag:Name", **values})
    for search in searches:
        answer = session.ask("looking for the zones of subnets", {"Action": "DescribeSubnets", **search})
        yield from findall(answer, "subnetSet/item", NAMESPACE)


def _names(item: Any) -> set[str]:
    tags = findall(item, "tagSet/item", NAMESPACE)
    return {f"{NAMED}{text_of(tag, 'value')}" for tag in tags if text_of(tag, "key") == "Name"}


# -- for the preflight -----------------------------------------------------------------------------------------


def checks(session: Session, shape: VmShape) -> list[Check]:
    """Whether each zone of the options is there, has a subnet of theirs, and has their flavors."""
    if not shape.zones:
        return []
    try:
        there = _zones(session)
    except CloudError as error:
        return [Check.unanswered("availability zone", error)]
    found = [_zone(zone, there) for zone in shape.zones]
    return found + _networks(session, shape) + _flavors(session, shape)


def _zones(session: Session) -> list[str]:
    answer = session.ask("listing zones", {"Action": "DescribeAvailabilityZones"})
    items = findall(answer, "availabilityZoneInfo/item", NAMESPACE)
    return [str(text_of(item, "zoneName")) for item in items if text_of(item, "zoneState") in (None, "available")]


def _zone(zone: str, there: Collection[str]) -> Check:
    if zone in there:
        return Check("availability zone", True, zone)
    cure = f"set Terraform_AvailabilityZone to some of: {', '.join(there)}"
    return Check("availability zone", False, f"{zone}: there is none", cure)


def _networks(session: Session, shape: VmShape) -> list[Check]:
    """Networks and zones that no offering has, as none of the others fits."""
    try:
        known = of_networks(session, shape.networks) if shape.networks else {}
    except CloudError:
        return []  # the checks of the networks say so
    lost = [f"{one} is in {zone}" for one, zone in known.items() if zone and zone not in shape.zones]
    empty = [zone for zone in shape.zones if zone not in known.values()] if all(known.values()) and known else []
    lost += [f"{zone} has none of the networks" for zone in empty]
    cure = "these are left out: correct Instance_Networks or Terraform_AvailabilityZone"
    return [Check("places", False, "; ".join(lost), cure)] if lost else []


def _flavors(session: Session, shape: VmShape) -> list[Check]:
    wanted = [flavor.removeprefix(NAMED) for flavor in shape.flavors]
    params = {"Action": "DescribeInstanceTypeOfferings", "LocationType": "availability-zone"}
    for number, (name, values) in enumerate((("location", shape.zones), ("instance-type", wanted)), 1):
        params[f"Filter.{number}.Name"] = name
        params |= {f"Filter.{number}.Value.{n}": value for n, value in enumerate(values, 1)}
    try:
        answer = session.ask("asking where flavors are offered", params)
    except CloudError:
        return []  # clouds that only speak EC2's API do not tell, and the right to ask is not everybody's
    items = findall(answer, "instanceTypeOfferingSet/item", NAMESPACE)
    offered = {(text_of(item, "instanceType"), text_of(item, "location")) for item in items}
    missing = [f"{one} in {zone}" for one in wanted for zone in shape.zones if (one, zone) not in offered]
    if not missing:
        return [Check("offerings", True, f"{len(wanted)} flavors in {len(shape.zones)} zones")]
    cure = "such an offering is tried in vain: correct Instance_Flavor or Terraform_AvailabilityZone"
    return [Check("offerings", False, f"EC2 does not offer {', '.join(missing)}", cure)]
