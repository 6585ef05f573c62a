"""A libcloud driver class of one's own: a cloud without metadata, whose VMs are files in a folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from libcloud.compute.base import Node, NodeDriver, NodeImage, NodeSize
from libcloud.compute.types import NodeState


class FileNodeDriver(NodeDriver):  # type: ignore[misc]
    """Key: the folder. Each VM is a JSON file; ``refuse`` in the folder holds the words of a refusal."""

    name = "files"

    def __init__(self, key: str, secret: str | None = None, **options: Any) -> None:
        super().__init__(key, secret=secret)
        self.folder = Path(key)

    def list_nodes(self) -> list[Node]:
        return [self._node(path) for path in sorted(self.folder.glob("*.vm"))]

    def list_images(self, location: Any = None) -> list[NodeImage]:
        return [NodeImage(f"img-{n}", f"image {n}", self) for n in (1, 2)]

    def list_sizes(self, location: Any = None) -> list[NodeSize]:
        return [NodeSize("small", "the small one", 1, 1, 1, 0, self)]

    def create_node(
        self, name: str, size: NodeSize, image: NodeImage, ex_userdata: str = "", ex_keyname: str = ""
    ) -> Node:
        if (self.folder / "refuse").exists():
            raise Exception((self.folder / "refuse").read_text())
        number = len(list(self.folder.glob("*.vm"))) + 1
        path = self.folder / f"{name}.vm"
        facts = {"name": name, "image": image.id, "size": size.id, "data": ex_userdata, "number": number}
        path.write_text(json.dumps({**facts, "state": NodeState.RUNNING}))
        return self._node(path)

    def destroy_node(self, node: Node) -> bool:
        kept = self.folder / "keep"
        if kept.exists() and kept.read_text() == node.id:
            return False
        (self.folder / f"{node.name}.vm").unlink()
        return True

    def _node(self, path: Path) -> Node:
        facts = json.loads(path.read_text())
        return Node(f"file-{path.stem}", facts["name"], facts["state"], [], [], self)


class AnythingNodeDriver(FileNodeDriver):
    """The same, but it does not say what its create call takes."""

    def create_node(self, name: str, size: NodeSize, image: NodeImage, **kwargs: Any) -> Node:  # type: ignore[override]
        return super().create_node(name, size, image, **kwargs)


class ExitNodeDriver(FileNodeDriver):
    """The same, but it ends the process: where its folder says so at once, else when it is asked for anything."""

    def __init__(self, key: str, secret: str | None = None, **options: Any) -> None:
        super().__init__(key, secret, **options)
        if (self.folder / "refuse").exists():
            sys.exit("no licence")

    def list_nodes(self) -> list[Node]:
        sys.exit("no licence")

    def create_node(self, name: str, size: NodeSize, image: NodeImage, ex_userdata: str = "") -> Node:  # type: ignore[override]
        sys.exit(3)


class MuteNodeDriver(FileNodeDriver):
    """The same, but its VMs cannot be given user data."""

    def create_node(self, name: str, size: NodeSize, image: NodeImage) -> Node:  # type: ignore[override]
        raise NotImplementedError
