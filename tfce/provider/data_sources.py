"""The provider's data sources, in the framework's terms: ids of what the cloud knows by name."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from tf.iface import DataSource
from tf.schema import Attribute, Schema
from tf.types import List, String

from tfce.model.errors import CloudError, ConfigError
from tfce.model.images import NAMED
from tfce.model.reasons import Kind

if TYPE_CHECKING:
    from tfce.cloud.api import Cloud
    from tfce.provider.resources import TfceProvider

State = dict[str, Any]
Answer = TypeVar("Answer")


class _Named(DataSource):  # type: ignore[misc]
    """Something of the cloud's, looked up by its exact name."""

    kind = ""

    def __init__(self, provider: TfceProvider) -> None:
        self._provider = provider

    @classmethod
    def get_name(cls) -> str:
        return cls.kind

    @classmethod
    def get_schema(cls) -> Schema:
        words = cls.kind.replace("_", " ")
        return Schema(
            [
                Attribute("name", String(), f"The exact name of the {words}.", required=True),
                Attribute("owners", List(String()), "Who may have published it (EC2 images).", optional=True),
                Attribute("id", String(), f"The id of the {words}.", computed=True),
            ],
            version=1,
        )

    def _ids(self, ctx: Any, cloud: Cloud, name: str, owners: tuple[str, ...]) -> list[str]:
        ids: list[str] = self._asked(
            cloud, (self.kind, name, owners), lambda own: own.find(self.kind, name, owners)
        )
        return ids

    def _asked(self, cloud: Cloud, what: Hashable, ask: Callable[[Cloud], Answer]) -> Answer:
        """What may be under way already."""
        answer: Answer = self._provider.run.prefetch.answer(what, ask, cloud)
        return answer

    def read(self, ctx: Any, config: State) -> State | None:
        words, name = self.kind.replace("_", " "), config["name"]
        try:
            with self._provider.cloud() as cloud:
                ids = self._ids(ctx, cloud, name, tuple(config["owners"] or ()))
        except (CloudError, ConfigError) as error:
            if isinstance(error, CloudError) and error.reason.kind is not Kind.UNCLASSIFIED:
                self._provider.run.cause = error.reason
            ctx.diagnostics.add_error(f"The {words} {name} cannot be looked up", error.message)
            return None
        if len(ids) == 1:
            return {**config, "id": ids[0]}
        if ids:
            text = f"{len(ids)} are called {name}: {', '.join(sorted(ids))}. Give an id instead."
            ctx.diagnostics.add_error(f"The name of the {words} is not unique", text)
        else:
            ctx.diagnostics.add_error(f"There is no {words} called {name}", "Names are exact; or give an id.")
        return None


class Image(_Named):
    """``tfce_image``."""

    kind = "image"

    def _ids(self, ctx: Any, cloud: Cloud, name: str, owners: tuple[str, ...]) -> list[str]:
        """An image that its owner gives up can be had, for now."""
        found = self._asked(cloud, (self.kind, name, owners), lambda own: own.images(f"{NAMED}{name}", owners))
        for trouble in filter(None, (image.trouble(datetime.now(UTC)) for image in found)):
            self._provider.run.warnings.add(trouble)
            ctx.diagnostics.add_warning(f"The image {name} is about to go", trouble)
        return [image.id for image in found]


class Flavor(_Named):
    """``tfce_flavor``."""

    kind = "flavor"


class Network(_Named):
    """``tfce_network``."""

    kind = "network"


class SecurityGroup(_Named):
    """``tfce_security_group``."""

    kind = "security_group"
