"""Making VMs in EC2."""

from __future__ import annotations

import base64
import re
import urllib.parse
from collections.abc import Collection, Iterator
from typing import Any

from libcloud.compute.drivers.ec2 import NAMESPACE
from libcloud.utils.xml import findall, findtext

from tfce.cloud.ec2.vms import Ec2, _filters, _node
from tfce.cloud.edge import translated
from tfce.cloud.shape import Shape
from tfce.model.errors import CloudError
from tfce.model.pilot import Batch
from tfce.model.vm import VM

# kind: the request, the filter that takes a name, and where the ids are in the answer
_FIND = {
    "image": ("DescribeImages", "name", "imagesSet/item", "imageId"),
    "network": ("DescribeSubnets", "tag:Name", "subnetSet/item", "subnetId"),
    "security_group": ("DescribeSecurityGroups", "group-name", "securityGroupInfo/item", "groupId"),
}


_VALUES = 200  # of one filter, EC2's most


class Ec2Creator(Ec2):
    """The ``Creator`` of an EC2 queue."""

    _root_device: str | None = None

    def create(self, shape: Shape, key: str, user_data: str) -> str:
        return self._run(f"starting pilot {key}", shape, key, (1, 1), user_data)[0].id

    def create_batch(self, shape: Shape, batch: Batch, user_data: str) -> list[VM]:
        asking = f"starting batch {batch.name}"
        try:
            # All of them first: clouds that only speak EC2's API start as few as they may.
            return self._run(asking, shape, batch, (batch.size, batch.size), user_data)
        except CloudError as error:
            if error.kind not in ("quota", "capacity") or batch.size == 1:
                raise
        return self._run(asking, shape, batch, (1, batch.size), user_data)

    def _run(
        self, asking: str, shape: Shape, asked: str | Batch, count: tuple[int, int], user_data: str
    ) -> list[VM]:
        least, most = count
        params = {
            "MinCount": str(least),
            "MaxCount": str(most),
            "ImageId": shape.image,
            "InstanceType": shape.flavor,
            # Another request needs another token.
            "ClientToken": shape.token_of(asked) + ("" if least == most else "-some"),
            "UserData": base64.b64encode(user_data.encode()).decode(),
            **dict(_tags({**shape.tags_of(asked), "Name": shape.name_of(asked)})),
            **self._placement(shape),
            **shape.options,
        }
        answer = self._post(asking, "RunInstances", params)
        started = [_node(node) for node in self._driver._to_nodes(answer, "instancesSet/item")]
        if not started:
            raise CloudError(f"{asking}: the cloud's answer names no VM", "unreachable")
        return started

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
        if self._root_device is None:
            answer = self._ask(f"looking at image {image}", {"Action": "DescribeImages", "ImageId.1": image})
            device = findtext(answer, "imagesSet/item/rootDeviceName", NAMESPACE)
            if not device:
                raise CloudError(f"image {image}: the cloud does not say its root device", "image")
            self._root_device = str(device)
        return self._root_device

    def _post(self, asking: str, action: str, params: dict[str, str]) -> Any:
        """A request in the body: user data is too long for an address."""
        body = urllib.parse.urlencode({"Action": action, "Version": self._driver.connection.version, **params})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        with translated(asking, self._secrets):
            connection = self._driver.connection
            return connection.request(self._driver.path, data=body, headers=headers, method="POST").object

    def having(self, shape: Shape, keys: Collection[str], batches: Collection[Batch]) -> list[VM]:
        owner = shape.owner
        tags = [("tag:tfce:key", sorted(keys)), ("tag:tfce:batch", sorted(batch.name for batch in batches))]
        found: list[VM] = []
        for tag, wanted in tags:
            for start in range(0, len(wanted), _VALUES):
                params = _filters({"tag:tfce:ce": owner.ce, "tag:tfce:queue": owner.queue}) | {
                    "Filter.3.Name": tag
                }
                some = wanted[start : start + _VALUES]
                params |= {f"Filter.3.Value.{n}": value for n, value in enumerate(some, 1)}
                found += self._describe({**params, "MaxResults": "1000"})
        return found

    def find(self, kind: str, name: str, owners: tuple[str, ...] = ()) -> list[str]:
        if kind == "flavor":
            return [name]  # an instance type is its name
        action, field, items, identity = _FIND[kind]
        # EC2 reads * and ? as wildcards: a backslash makes them plain.
        plain = re.sub(r"([\\*?])", r"\\\1", name)
        params = {"Action": action, "Filter.1.Name": field, "Filter.1.Value.1": plain}
        if kind == "image":
            params |= {f"Owner.{n}": owner for n, owner in enumerate(owners, 1)}
        answer = self._ask(f"looking for the {kind} {name}", params)
        return [str(findtext(item, identity, NAMESPACE)) for item in findall(answer, items, NAMESPACE)]

    def twin(self) -> Ec2Creator:
        twin = Ec2Creator(self._queue, self._credentials)
        twin._root_device = self._root_device
        return twin


def _tags(tags: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield "TagSpecification.1.ResourceType", "instance"
    for number, (name, value) in enumerate(sorted(tags.items()), 1):
        yield f"TagSpecification.1.Tag.{number}.Key", name
        yield f"TagSpecification.1.Tag.{number}.Value", value
