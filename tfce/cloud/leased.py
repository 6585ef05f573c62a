"""A cloud that makes nothing for a queue that another host may be at work on by now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tfce.cloud.api import Cloud
from tfce.cloud.shape import Shape
from tfce.model.errors import CloudError, TfceError
from tfce.model.pilot import Batch
from tfce.model.reasons import Kind
from tfce.model.vm import VM


class LeasedCloud:
    """A login whose VMs are asked for only as long as ``check`` raises nothing. Everything else is the cloud's
    own."""

    def __init__(self, cloud: Cloud, check: Callable[[], None]) -> None:
        self._cloud, self._check = cloud, check

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cloud, name)

    def clone(self) -> LeasedCloud:
        """Another connection, that keeps the same lease."""
        return LeasedCloud(self._cloud.clone(), self._check)

    def create(self, shape: Shape, key: str, user_data: str) -> str:
        """Ask for one VM."""
        self._stand()
        return self._cloud.create(shape, key, user_data)

    def create_batch(self, shape: Shape, batch: Batch, user_data: str) -> list[VM] | None:
        """Ask for a batch."""
        self._stand()
        return self._cloud.create_batch(shape, batch, user_data)

    def _stand(self) -> None:
        try:
            self._check()
        except TfceError as error:
            raise CloudError(error.message, Kind.UNCLASSIFIED) from None
