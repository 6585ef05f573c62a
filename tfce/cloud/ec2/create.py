"""Making EC2's instances."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from libcloud.compute.drivers.ec2 import NAMESPACE
from libcloud.utils.xml import findtext

from tfce.cloud.ec2.errors import knows_no
from tfce.cloud.ec2.session import Session
from tfce.cloud.ec2.vms import destroy, started, tag
from tfce.cloud.shape import Shape
from tfce.model.errors import CloudError
from tfce.model.pilot import Batch
from tfce.model.reasons import Kind
from tfce.model.userdata import as_base64
from tfce.model.vm import VM

log = logging.getLogger("tfce.cloud")

_SHOWN_TAGS = "MetadataOptions.InstanceMetadataTags"
_SHOWABLE = re.compile(r"[0-9A-Za-z\-_+=,.@:]{1,255}")  # EC2 refuses the option beside any other tag


class InstanceLauncher:
    """Makes instances over one session. It remembers the root device of the image that it was last about."""

    shows_tags = True  # until the cloud says that it knows no such option

    def __init__(self, session: Session, root: tuple[str, str] = ("", "")) -> None:
        self._session, self.root = session, root

    def one(self, shape: Shape, key: str, user_data: str) -> VM:
        """The VM of pilot ``key``."""
        return self._run(f"starting pilot {key}", shape, key, (1, 1), user_data)[0]

    def batch(self, shape: Shape, batch: Batch, user_data: str) -> list[VM]:
        """As many of the VMs of ``batch`` as the cloud grants."""
        asking = f"starting batch {batch.name}"
        try:
            # All of them first: clouds that only speak EC2's API start as few as they may.
            return self._run(asking, shape, batch, (batch.size, batch.size), user_data)
        except CloudError as error:
            if not error.reason.no_room or error.reason.kind is Kind.THROTTLED or batch.size == 1:
                raise
        return self._run(asking, shape, batch, (1, batch.size), user_data)

    def _run(
        self, asking: str, shape: Shape, asked: str | Batch, count: tuple[int, int], user_data: str
    ) -> list[VM]:
        least, most = count
        tags = {**shape.tags_of(asked), "Name": shape.name_of(asked)}
        params = {
            "MinCount": str(least),
            "MaxCount": str(most),
            "ImageId": shape.image,
            "InstanceType": shape.flavor,
            # Another request needs another token.
            "ClientToken": shape.token_of(asked) + ("" if least == most else "-some"),
            "UserData": as_base64(user_data),
            **dict(_tags(tags)),
            **self._placement(shape),
            **shape.options,
        }
        answer = self._asked(asking, params, tags)
        return self._claimed(asking, answer, started(asking, answer), tags)

    def _asked(self, asking: str, params: dict[str, str], tags: Mapping[str, str]) -> Any:
        """The answer to a request. Its VMs may read their tags where the cloud knows such a thing: that is how an
        operator tells a pilot to take no further job."""
        shown = {_SHOWN_TAGS: "enabled"} if self.shows_tags and all(map(_SHOWABLE.fullmatch, tags)) else {}
        try:
            return self._session.post(asking, "RunInstances", {**shown, **params})
        except CloudError as error:
            if not shown or not knows_no("MetadataOptions", error.reason):
                raise
        self.shows_tags = False
        return self._session.post(asking, "RunInstances", params)

    def _claimed(self, asking: str, answer: Any, made: list[VM], tags: dict[str, str]) -> list[VM]:
        """The VMs that were made, all with their tags. A cloud that left them out is told them again; where it
        takes none, the VMs go: no list would ever show whose they are. One that it does not let go is kept by its
        id."""
        bare = [vm.id for vm in made if not vm.claimed]
        if not bare:
            return made
        try:
            tag(self._session, bare, tags)
        except CloudError as error:
            if not destroy(self._session, bare):
                problem = (
                    f"{asking}: the cloud takes no tags ({error.message}); {len(bare)} VMs were removed again"
                )
                raise CloudError(problem, Kind.CONFIGURATION) from None
            log.warning("%s: VMs without tags, which the cloud does not remove: %s", asking, ", ".join(bare))
        return started(asking, answer, tags)

    def _placement(self, shape: Shape) -> dict[str, str]:
        params = {f"SecurityGroupId.{n}": group for n, group in enumerate(shape.security_groups, 1)}
        if shape.networks:
            params["SubnetId"] = shape.networks[0]
        if shape.key_pair:
            params["KeyName"] = shape.key_pair
        if shape.availability_zone:
            params["Placement.AvailabilityZone"] = shape.availability_zone
        if shape.root_volume_gb:
            params["BlockDeviceMapping.1.DeviceName"] = self._root_of(shape.image)
            params["BlockDeviceMapping.1.Ebs.VolumeSize"] = str(shape.root_volume_gb)
            params["BlockDeviceMapping.1.Ebs.DeleteOnTermination"] = "true"
        return params

    def _root_of(self, image: str) -> str:
        if self.root[0] != image:
            params = {"Action": "DescribeImages", "ImageId.1": image}
            answer = self._session.ask(f"looking at image {image}", params)
            device = findtext(answer, "imagesSet/item/rootDeviceName", NAMESPACE)
            if not device:
                raise CloudError(f"image {image}: the cloud does not say its root device", Kind.IMAGE)
            self.root = (image, str(device))
        return self.root[1]


def _tags(tags: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield "TagSpecification.1.ResourceType", "instance"
    for number, (name, value) in enumerate(sorted(tags.items()), 1):
        yield f"TagSpecification.1.Tag.{number}.Key", name
        yield f"TagSpecification.1.Tag.{number}.Value", value
