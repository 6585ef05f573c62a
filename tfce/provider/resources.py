"""The provider and its resource ``tfce_pilots``, in the framework's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tf.iface import DataSource, Provider, Resource
from tf.schema import Attribute, Schema
from tf.types import List, Map, Number, String, Unknown
from tf.utils import Diagnostics

from tfce.model import fork
from tfce.model.errors import CloudError, ConfigError
from tfce.provider.data_sources import Flavor, Image, Network, SecurityGroup
from tfce.provider.run import Run, not_forgotten

if TYPE_CHECKING:  # Terraform starts the program for its schemas, too: what asks a cloud is imported when it does
    from tfce.cloud.api import Cloud
    from tfce.cloud.shape import Shape
    from tfce.model.reasons import Reason
    from tfce.model.vm import Owner
    from tfce.provider import pilots

State = dict[str, Any]
_OWNER = ("installation", "ce", "queue")


class TfceProvider(Provider):  # type: ignore[misc]
    """The provider of one run: hands out connections."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._lock = fork.Lock()
        self._connect: Callable[[], Cloud] | None = None
        self._first: Cloud | None = None

    def get_model_prefix(self) -> str:
        return "tfce_"

    def full_name(self) -> str:
        return "registry.terraform.io/tfce/tfce"

    def get_provider_schema(self, diags: Diagnostics) -> Schema:
        self.run.met = True
        texts = {
            "cloud": "libcloud's name of the cloud, or a dotted class",
            "region": "The region.",
            "endpoint": "URL of the API (EC2) or of keystone (OpenStack).",
        }
        attributes = [Attribute(name, String(), text, optional=True) for name, text in texts.items()]
        text = "Further options of libcloud's driver; secret ones belong into TFCE_CLOUD_OPTIONS."
        return Schema([*attributes, Attribute("options", Map(String()), text, optional=True)], version=1)

    def validate_config(self, diags: Diagnostics, config: State) -> None:
        """Nothing to find before the environment is looked at."""

    def configure_provider(self, diags: Diagnostics, config: State) -> None:
        known = {name: None if value is Unknown else value for name, value in config.items()}
        try:
            self._connect = self.run.login(known)
        except ConfigError as error:
            for fault in error.faults:
                diags.add_error(f"{fault.option} {fault.problem}", str(fault))

    def get_data_sources(self) -> list[type[DataSource]]:
        return [Image, Flavor, Network, SecurityGroup]

    def get_resources(self) -> list[type[Resource]]:
        return [Pilots]

    @contextmanager
    def cloud(self) -> Iterator[Cloud]:
        """A connection of one's own. Who ends the run waits until it is given back."""
        with self.run.working():
            own = self._own()
            try:
                yield own
            finally:
                self.run.spent(own.calls)

    def _own(self) -> Cloud:
        with self._lock:
            if self._connect is None:
                raise CloudError("the provider is not configured", "authentication")
            if self._first is None:
                self._first = self._connect()
            try:
                self._first.token()  # logs in, once for all, where the cloud wants that
            finally:
                self.run.spent(self._first.calls)
                self._first.calls.clear()
            return self._first.clone()


class Pilots(Resource):  # type: ignore[misc]
    """``tfce_pilots``: all pilots of one queue."""

    def __init__(self, provider: TfceProvider) -> None:
        self._provider = provider

    @classmethod
    def get_name(cls) -> str:
        return "pilots"

    @classmethod
    def get_schema(cls) -> Schema:
        required = {
            "installation": (String(), "The installation that owns the pilots."),
            "ce": (String(), "The computing element that owns the pilots."),
            "queue": (String(), "The queue that owns the pilots."),
            "pilots": (Map(String()), "The pilots that shall exist: key to when it was born."),
            "image": (String(), "Id of the image of new pilots."),
            "flavor": (String(), "Id of the flavor of new pilots."),
            "name_prefix": (String(), "A VM's name is this prefix and the pilot's key."),
            "contexts": (String(), "Folder with the user data of new pilots, one file each, named by the key."),
        }
        optional = {
            "networks": (List(String()), "Ids of the networks (EC2: one subnet)."),
            "key_pair": (String(), "Name of the SSH key pair."),
            "security_groups": (List(String()), "Ids of the security groups."),
            "availability_zone": (String(), "Availability zone."),
            "root_volume_gb": (Number(), "Size of the root volume in GB; 0 or null: what the image gives."),
            "tags": (Map(String()), "Additional tags."),
            "options": (Map(String()), "Further settings of the cloud's create call, none of them secret."),
            "max_retries": (Number(), "Repeats of a request that the cloud throttled; 5 unless set."),
        }
        return Schema(
            [
                *(Attribute(name, kind, text, required=True) for name, (kind, text) in required.items()),
                *(Attribute(name, kind, text, optional=True) for name, (kind, text) in optional.items()),
                Attribute("ids", Map(String()), "Instance id of each pilot that exists, by key.", computed=True),
            ],
            version=1,
        )

    # -- plan ----------------------------------------------------------------------------------------------

    def plan(self, ctx: Any, current: State | None, planned: State) -> State:
        """The ids that are known stay known: else a plan would show every pilot of the queue."""
        if current is None:
            return planned
        moved = [name for name in _OWNER if planned[name] is not Unknown and planned[name] != current[name]]
        if moved and current["ids"]:
            ctx.diagnostics.add_error(
                f"{', '.join(moved)} cannot change while pilots exist",
                f"{len(current['ids'])} VMs have the old tags. Put the old values back until they have ended, or "
                "configure another queue.",
            )
        wanted = planned["pilots"]
        planned["ids"] = Unknown if wanted is Unknown else self._foreseen(wanted, current["ids"] or {})
        return planned

    # -- read ----------------------------------------------------------------------------------------------

    def read(self, ctx: Any, current: State) -> State:
        """One list call. Pilots whose VMs are gone leave the state; a cloud that cannot be reached changes
        nothing."""
        from tfce.provider.refresh import refresh

        ids = current["ids"] or {}
        try:
            with self._provider.cloud() as cloud:
                seen = refresh(cloud, _owner(current), current["pilots"] or {}, ids)
        except (CloudError, ConfigError) as error:
            ctx.diagnostics.add_error("The pilots cannot be listed", error.message)
            return current
        if seen.notes:
            lines = [f"{key}: {text}" if key != "*" else text for key, text in sorted(seen.notes.items())]
            ctx.diagnostics.add_warning(f"{len(lines)} pilots are not as they should be", "\n".join(lines))
        if not seen.gone:
            return current
        for name in ("ids", "pilots"):
            current[name] = {key: text for key, text in current[name].items() if key not in seen.gone}
        return current

    # -- apply ---------------------------------------------------------------------------------------------

    def create(self, ctx: Any, planned: State) -> State | None:
        """Terraform taints what fails while it is created. So pilots that could not be started are warnings
        here, and the next plan shows them as missing."""
        outcome = self._bring_about(ctx, {}, planned)
        if outcome is None or (outcome.refused and not outcome.ids):
            for key, reason in (outcome.refused if outcome else {}).items():
                ctx.diagnostics.add_error(*_refusal(key, reason))
            return None
        for key, reason in outcome.refused.items():
            ctx.diagnostics.add_warning(*_refusal(key, reason))
        return {**planned, "ids": outcome.ids}

    def update(self, ctx: Any, current: State, planned: State) -> State:
        """What succeeded is the new state; each pilot that did not is an error."""
        outcome = self._bring_about(ctx, current["ids"] or {}, planned)
        if outcome is None:
            return current
        for key, reason in outcome.refused.items():
            ctx.diagnostics.add_error(*_refusal(key, reason), path=["pilots", (key,)])
        for key, why in outcome.kept.items():
            ctx.diagnostics.add_error(*not_forgotten(key, why))
        born = {key: text for key, text in planned["pilots"].items() if key not in outcome.refused}
        born |= {key: (current["pilots"] or {}).get(key, "") for key in outcome.kept}
        return {**planned, "pilots": born, "ids": outcome.ids}

    def delete(self, ctx: Any, current: State) -> State | None:
        """Terraform never destroys a pilot; a resource without pilots may go."""
        if not current["ids"]:
            return None
        ctx.diagnostics.add_error(
            "Terraform does not destroy pilots",
            f"{len(current['ids'])} VMs exist and stay: each goes when its pilot has ended, by `tfce reap`.",
        )
        return current

    def _bring_about(self, ctx: Any, known: Mapping[str, str], planned: State) -> pilots.ApplyOutcome | None:
        from tfce.provider import pilots

        try:
            run = self._provider.run
            folder = run.folder / planned["contexts"]
            options = run.options(int(_given(planned, "max_retries", 5)))
            with self._provider.cloud() as cloud:
                outcome = pilots.apply(cloud, shape_of(planned), planned["pilots"], known, folder, options)
                run.note(outcome)  # before the run may end
            run.settled = True
            return outcome
        except (CloudError, ConfigError) as error:
            self._provider.run.cause = error.reason if isinstance(error, CloudError) else None
            ctx.diagnostics.add_error("Nothing was done", error.message)
            return None

    def _foreseen(self, wanted: Mapping[str, str], ids: Mapping[str, str]) -> dict[str, Any]:
        """The ids after an apply, as far as they are known."""
        run = self._provider.run
        kept = {key: node for key, node in ids.items() if run.only is not None or key in wanted}
        return {**dict.fromkeys(run.is_about(wanted), Unknown), **kept}


def _refusal(key: str, reason: Reason) -> tuple[str, str]:
    return f"Pilot {key} was not started", str(reason)


def _given(state: State, name: str, default: Any) -> Any:
    return default if state.get(name) is None else state[name]


def _owner(state: State) -> Owner:
    from tfce.model.vm import Owner

    return Owner(*(state[name] for name in _OWNER))


def shape_of(state: State) -> Shape:
    """What a planned resource says of new VMs."""
    from tfce.cloud.shape import Shape

    return Shape(
        owner=_owner(state),
        name_prefix=state["name_prefix"],
        image=state["image"],
        flavor=state["flavor"],
        networks=tuple(_given(state, "networks", ())),
        key_pair=state["key_pair"] or None,
        security_groups=tuple(_given(state, "security_groups", ())),
        availability_zone=state["availability_zone"] or None,
        root_volume_gb=int(_given(state, "root_volume_gb", 0)),
        tags=_given(state, "tags", {}),
        options=_given(state, "options", {}),
    )
