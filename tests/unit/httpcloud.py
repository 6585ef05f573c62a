"""A libcloud driver of one's own that speaks HTTP: what it lists is what a server says, page after page."""

from __future__ import annotations

from typing import Any

from libcloud.common.base import ConnectionKey, JsonResponse
from libcloud.compute.base import Node, NodeDriver
from libcloud.compute.types import NodeState


class _Connection(ConnectionKey):  # type: ignore[misc]
    responseCls = JsonResponse  # noqa: N815  libcloud's name


class HttpNodeDriver(NodeDriver):  # type: ignore[misc]
    """Nodes as ``/nodes?page=N`` has them: ``{"nodes": [...], "more": true}``."""

    connectionCls = _Connection  # noqa: N815

    def __init__(self, key: str, secret: str = "", **options: Any) -> None:
        super().__init__(key, **options)  # its connection has one secret only

    def list_nodes(self) -> list[Node]:
        found: list[Node] = []
        for page in range(10**6):
            answer = self.connection.request("/nodes", params={"page": page}).object
            found += [self._node(one) for one in answer["nodes"]]
            if not answer.get("more"):
                break
        return found

    def create_node(self, name: str, size: Any, image: Any, ex_userdata: str = "") -> Node:
        return self._node(self.connection.request("/nodes", method="POST", data=name).object)

    def destroy_node(self, node: Node) -> bool:
        self.connection.request(f"/nodes/{node.id}", method="DELETE")
        return True

    def _node(self, facts: Any) -> Node:
        return Node(facts["id"], facts["name"], NodeState.RUNNING, [], [], self)


class AskedNodeDriver(HttpNodeDriver):
    """The same, but it can be asked for one node."""

    def ex_get_node(self, node_id: str) -> Node:
        return self._node(self.connection.request(f"/nodes/{node_id}").object["node"])
