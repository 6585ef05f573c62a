"""The preflight of an OpenStack queue: whether what its options name is there, and enough of it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tfce.cloud import clock, images
from tfce.cloud.api import Check, Requirements
from tfce.cloud.libcloud_errors import translated
from tfce.cloud.openstack import lookup
from tfce.cloud.openstack.lookup import Record
from tfce.cloud.openstack.session import Session
from tfce.config import openstack_logins
from tfce.model.errors import CloudError
from tfce.model.images import NAMED, means_newest, newest

_EXPIRY = 7 * 86400.0  # seconds before an application credential's end from which on it is said
_BRIEF = 60.0  # seconds a token should last at least that its client can renew
_FORBIDDEN = "403"
_SHOWN = 8  # candidates that are named


class Preflight:
    """The questions, each answered with one ``Check``."""

    def __init__(self, required: Requirements, session: Session) -> None:
        self._required, self._endpoint, self._session = required, session.endpoint, session
        self._driver, self._secrets = session.driver, session.secrets
        self._image: dict[str, Any] | None = None
        self._flavors: list[dict[str, Any]] = []

    def all(self) -> list[Check]:
        """Every check. One that cannot be answered says so and does not stop the others."""
        shape = self._required.shape
        checks = [
            self._guarded("login", self._login),
            self._guarded("image", self._image_check),
            *(self._guarded("flavor", partial(self._flavor_check, one)) for one in shape.flavors),
            *(self._guarded("network", partial(self._network, name)) for name in shape.networks),
            *(self._guarded("security group", partial(self._group, g)) for g in shape.security_groups),
        ]
        if not shape.networks:
            checks.append(self._guarded("network", self._only_network))
        checks += [self._guarded("availability zone", partial(self._zone, zone)) for zone in shape.zones]
        if openstack_logins.version(self._endpoint.driver) == "3.x_appcred":
            checks.append(self._guarded("credential", self._credential))
        if shape.ssh_key:
            checks.append(self._guarded("key pair", self._key_pair))
        for flavor in self._flavors if self._image else ():
            checks.append(self._guarded("size", partial(self._fits, self._image or {}, flavor)))
        checks.append(self._guarded("quota", self._quota))
        checks.append(self._guarded("clock", self._clock))
        return checks

    def _guarded(self, name: str, look: Callable[[], Check]) -> Check:
        try:
            with translated(f"looking for the {name}", self._secrets):
                return look()
        except CloudError as error:
            return Check.unanswered(name, error)

    def _login(self) -> Check:
        self._driver.connection.morph_action_hook("/")
        expires = self._driver.connection.get_auth_class().auth_token_expires
        if expires is None:
            return Check("login", True, "accepted")
        left = (expires - datetime.now(UTC)).total_seconds()
        handed_over = openstack_logins.METHODS[openstack_logins.version(self._endpoint.driver)].handed_over
        # Terraform cannot renew a token that is handed over; with other logins each client renews its own.
        enough = left > (self._required.patience if handed_over else _BRIEF)
        cure = "" if enough else "let keystone's tokens last longer than Terraform_Timeout"
        return Check("login", enough, f"accepted, the token lasts {left / 3600:.1f} h", cure)

    def _credential(self) -> Check:
        """How long the application credential itself lasts."""
        identity = self._driver.connection.get_auth_class()
        path = f"/v3/users/{identity.auth_user_info['id']}/application_credentials/{identity.user_id}"
        answer = identity.authenticated_request(path)
        if answer.status != 200:
            return Check("credential", True, "keystone does not say when it ends")
        expires = json.loads(answer.body)["application_credential"].get("expires_at")
        if not expires:
            return Check("credential", True, "does not end")
        left = (datetime.fromisoformat(expires).replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
        cure = "" if left > _EXPIRY else "make a new one: openstack application credential create"
        return Check("credential", left > _EXPIRY, f"ends in {left / 86400:.1f} days", cure)

    def _wanted(self, kind: str, option: str, wanted: str) -> tuple[Check, list[Record]]:
        """What ``wanted`` (id or name:NAMED) names: well, where that is one thing."""
        found = lookup.matching(self._session, kind, wanted)
        if found:
            return _chosen(kind, option, wanted, found), found
        near = _near(wanted.removeprefix(NAMED), lookup.everything(self._session, kind))
        return Check(_words(kind), False, f"{wanted}: there is none", f"set {option} to one of: {near}"), []

    def _image_check(self) -> Check:
        wanted = self._required.shape.image
        if means_newest(wanted):
            return self._newest_check(wanted)
        check, found = self._wanted("image", "Instance_Image", wanted)
        self._image = _only(found)
        if self._image and self._image.get("status") != "active":
            detail = f"{check.detail}, but it is {self._image.get('status')}"
            return Check("image", False, detail, "use an active image")
        if self._image:
            return images.lasting(check.detail, lookup.image_of(self._image), datetime.now(UTC))
        named = wanted.startswith(NAMED) and not found
        offered = lookup.foreign(self._session, wanted.removeprefix(NAMED)) if named else []
        if offered:
            ids = ", ".join(str(image["id"]) for image in offered[:_SHOWN])
            detail = f"{wanted}: there is none but what others publish: {ids}"
            return Check("image", False, detail, "set Instance_Image to that id, if you trust its owner")
        return check

    def _newest_check(self, wanted: str) -> Check:
        found = lookup.images(self._session, wanted, self._required.shape.image_visibility)
        best = newest(found, datetime.now(UTC))
        self._image = _only(lookup.matching(self._session, "image", best.id)) if best else None
        return images.check(wanted, found)

    def _flavor_check(self, wanted: str) -> Check:
        check, found = self._wanted("flavor", "Instance_Flavor", wanted)
        flavor = _only(found)
        self._flavors += [flavor] if flavor else []
        return check

    def _network(self, wanted: str) -> Check:
        check, found = self._wanted("network", "Instance_Networks", wanted)
        network = _only(found)
        if network and not network.get("subnets"):
            return Check("network", False, f"{check.detail}, which has no subnet", "use a network with a subnet")
        if network and not network.get("admin_state_up", True):
            return Check("network", False, f"{check.detail}, which is down", "use a network that is up")
        if network and network.get("router:external") and not network.get("shared"):
            cure = "use a network of the project, or a shared one"
            return Check("network", False, f"{check.detail}, an external one that VMs may not join", cure)
        return check

    def _only_network(self) -> Check:
        every = lookup.everything(self._session, "network")
        found = [one for one in every if one.get("shared") or not one.get("router:external")]
        names = ", ".join(f"name:{one['name']}" for one in found[:_SHOWN])
        if len(found) == 1:
            return Check("network", True, f"the only one: {names}")
        detail = f"the project has {len(found)}, and nova wants to be told which"
        return Check("network", False, detail, f"set Instance_Networks to one of: {names or 'none at all'}")

    def _group(self, wanted: str) -> Check:
        option = "Terraform_SecurityGroups"
        check, _ = self._wanted("security_group", option, wanted)
        if check.ok or wanted.startswith(NAMED):
            return check
        return self._wanted("security_group", option, f"{NAMED}{wanted}")[0]  # nova takes both

    def _zone(self, wanted: str) -> Check:
        zones = self._get("/os-availability-zone")["availabilityZoneInfo"]
        names = [zone["zoneName"] for zone in zones if zone["zoneState"]["available"]]
        cure = "" if wanted in names else f"set Terraform_AvailabilityZone to one of: {', '.join(names)}"
        return Check(
            "availability zone", wanted in names, wanted if wanted in names else f"{wanted}: there is none", cure
        )

    def _key_pair(self) -> Check:
        wanted = self._required.shape.ssh_key.removeprefix(NAMED)
        pairs = [item["keypair"] for item in self._get("/os-keypairs")["keypairs"]]
        if any(pair["name"] == wanted for pair in pairs):
            return Check("key pair", True, wanted)
        return Check(
            "key pair", False, f"{wanted}: there is none", f"set Instance_SSHKey to one of: {_near(wanted, pairs)}"
        )

    def _fits(self, image: dict[str, Any], flavor: dict[str, Any]) -> Check:
        disk = self._required.shape.root_volume or flavor["disk"]
        needs = max(int(image.get("min_disk") or 0), -(-int(image.get("size") or 0) // 2**30))
        if not disk:
            detail = f"{flavor.get('name')} has no disk, and nova wants a root volume for such a flavor"
            cure = f"set Terraform_RootVolume to {max(needs, 1)} GB or more, or Instance_Flavor to one with a disk"
            return Check("size", False, detail, cure)
        short = []
        if disk < needs:
            short.append(f"{disk} GB of disk, the image needs {needs}")
        if flavor["ram"] < int(image.get("min_ram") or 0):
            short.append(f"{flavor['ram']} MB of memory, the image needs {image['min_ram']}")
        if short:
            return Check("size", False, f"the VM has {'; '.join(short)}", "set Instance_Flavor to a larger one")
        return Check(
            "size", True, f"{flavor['vcpus']} CPUs, {flavor['ram']} MB, {disk} GB; the image needs {needs} GB"
        )

    def _quota(self) -> Check:
        told = _limits(self._get)
        if told is None:
            return Check("quota", True, "nova does not tell this login its limits")  # and no pilot needs them
        limits = told["limits"]["absolute"]
        wanted = self._required.total or 1
        flavor = next(iter(self._flavors), {"vcpus": 1, "ram": 1})
        room = {
            "instances": _left(limits, "maxTotalInstances", "totalInstancesUsed", 1),
            "cores": _left(limits, "maxTotalCores", "totalCoresUsed", flavor["vcpus"]),
            "memory": _left(limits, "maxTotalRAMSize", "totalRAMUsed", flavor["ram"]),
        }
        bounded = {name: number for name, number in room.items() if number is not None}
        if not bounded:
            return Check("quota", True, "unlimited")
        name, least = min(bounded.items(), key=lambda item: item[1])
        used = int(limits.get("totalInstancesUsed", 0))
        enough = least + used >= wanted
        detail = f"{least} more VMs ({name} bounds them), {used} exist, MaxTotalJobs is {wanted}"
        return Check("quota", enough, detail, "" if enough else "ask for more quota, or lower MaxTotalJobs")

    def _clock(self) -> Check:
        _limits(self._get)  # any answer, also a refusal, tells the time
        return clock.check(self._session.cloud_time)

    def _get(self, path: str) -> dict[str, Any]:
        return self._session.ask(f"asking for {path}", path, none=()) or {}


def _limits(get: Callable[[str], dict[str, Any]]) -> dict[str, Any] | None:
    """nova's answer to the question for limits; None where its policy does not let this login ask."""
    try:
        return get("/limits")
    except CloudError as error:
        if error.reason.code == _FORBIDDEN:
            return None
        raise


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _only(found: list[Record]) -> Record | None:
    return found[0] if len(found) == 1 else None


def _chosen(kind: str, option: str, wanted: str, found: list[Record]) -> Check:
    if len(found) == 1:
        return Check(_words(kind), True, f"{wanted} is {found[0]['id']}")
    ids = ", ".join(str(one["id"]) for one in found)
    detail = f"{wanted} names {len(found)}: {ids}"
    return Check(_words(kind), False, detail, f"set {option} to one of these ids")


def _near(name: str | None, found: list[dict[str, Any]]) -> str:
    """The candidates, those with the most similar names first."""
    names = sorted({str(item.get("name")) for item in found})
    alike = difflib.get_close_matches(name or "", names, _SHOWN, 0.4)
    shown = [*alike, *(other for other in names if other not in alike)][:_SHOWN]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(f"name:{one}" for one in shown) + more if shown else "none at all"


def _left(limits: dict[str, Any], most: str, used: str, each: int) -> int | None:
    """How many more VMs a limit allows, or None where there is none."""
    bound = int(limits.get(most, -1))
    return None if bound < 0 else max(0, bound - int(limits.get(used, 0))) // max(1, each)
