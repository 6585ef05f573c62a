"""A ``Creator`` over the simulated cloud of ``tests.fakes``, with its injected failures."""

from __future__ import annotations

from collections.abc import Collection

from tests.fakes import Broken, FakeCloud, Refused, ReplyLost, Sky
from tfce.cloud.create import Shape
from tfce.errors import CloudError
from tfce.node import Node, Owner, State, pilot_key


class FakeCreator(FakeCloud):
    """``FakeCloud``, able to make VMs."""

    def __init__(self, sky: Sky) -> None:
        super().__init__(sky)
        self.shapes: list[Shape] = []

    def create(self, shape: Shape, key: str, user_data: str) -> str:
        self.calls["RunInstances"] += 1
        outcome = self.sky.step("create", key)
        if isinstance(outcome, Refused):
            raise CloudError(outcome.reason)
        node = self.sky.add(f"{shape.name_prefix}{key}", shape.tags_of(key))
        self.sky.user_data[node.id] = user_data
        if isinstance(outcome, Broken):
            self.sky.set(node.id, State.FAILED, outcome.reason)
        self.sky.step("created", key)
        if isinstance(outcome, ReplyLost):
            raise CloudError(outcome.reason or "read timed out", "unreachable")
        return node.id

    def having(self, owner: Owner, keys: Collection[str]) -> list[Node]:
        return [node for node in self.nodes(owner) if pilot_key(node) in keys]

    def find(self, kind: str, name: str, owners: tuple[str, ...] = ()) -> list[str]:
        return [name]

    def twin(self) -> FakeCreator:
        return FakeCreator(self.sky)
