"""A ``Creator`` over the simulated cloud of ``tests.fakes``, with its injected failures."""

from __future__ import annotations

from collections.abc import Collection

from tests.fakes import Broken, FakeCloud, Refused, ReplyLost, Sky
from tfce.cloud.shape import Shape
from tfce.model.errors import CloudError
from tfce.model.pilot import Batch
from tfce.model.vm import VM, State, pilot_key, with_key


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

    def create_batch(self, shape: Shape, batch: Batch, user_data: str) -> list[VM]:
        self.calls["RunInstances"] += 1
        outcome = self.sky.step("create", batch.label)
        if isinstance(outcome, Refused):
            raise CloudError(outcome.reason)
        room = batch.size if self.sky.quota is None else self.sky.quota - len(self.sky.living())
        made = []
        for number in range(min(batch.size, room)):
            tags = with_key(shape.tags_of(batch), number)
            made.append(self.sky.add(f"{shape.name_of(batch)}-{number + 1}", tags).id)
            self.sky.user_data[made[-1]] = user_data
            if isinstance(outcome, Broken):
                self.sky.set(made[-1], State.FAILED, outcome.reason)
        self.sky.step("created", batch.label)
        if isinstance(outcome, ReplyLost):
            raise CloudError(outcome.reason or "read timed out", "unreachable")
        return [self.sky.vms[node_id] for node_id in made]

    def having(self, shape: Shape, keys: Collection[str], batches: Collection[Batch]) -> list[VM]:
        wanted = {*keys, *(key for batch in batches for key in batch.keys)}
        return [node for node in self.nodes(shape.owner) if pilot_key(node) in wanted]

    def find(self, kind: str, name: str, owners: tuple[str, ...] = ()) -> list[str]:
        return [name]

    def twin(self) -> FakeCreator:
        return FakeCreator(self.sky)
