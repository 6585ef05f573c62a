"""What differs between the clouds' APIs and is known before one is asked; config/clouds/ says it of each. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tfce.model import userdata


@dataclass(frozen=True)
class Limit:
    """A cloud's bound on user data: ``size`` in bytes, of the base64 text where ``base64`` says so.

    ``binary``: bytes reach the VM as they are, not only text; ``takes_bytes``: they do if tfce's own provider
    sends them."""

    size: int
    base64: bool
    name: str
    binary: bool = False
    takes_bytes: bool = False

    @property
    def in_bytes(self) -> Limit:
        """The bound where tfce's own provider sends the user data."""
        return replace(self, binary=self.takes_bytes)

    def measure(self, data: bytes) -> int:
        """How many bytes of the bound ``data`` takes."""
        size = len(userdata.as_bytes(data.decode("ascii"))) if self.binary else len(data)
        return 4 * ((size + 2) // 3) if self.base64 else size


NOVA = Limit(65535, True, "OpenStack")


@dataclass(frozen=True)
class Capabilities:
    """What a cloud's API can do, and how it wants things.

    ``user_data``: the bound on it (of clouds that nobody measured: nova's); ``batches``: several VMs in one
    request, each of which knows its number in it; ``partial``: of such a request as many are granted as there is
    room for, where others are refused as a whole; ``native``: the root module over the ready-made Terraform
    provider, "" for none; ``colon``: what the name of a tag has for ":"; ``networks``: the most that a VM can
    have, None: any number; ``grid_proxy``: whether a grid proxy can be the login's secret; ``session_token``:
    whether a login may have one; ``key``: whether a login has one beside its secret;
    ``spot``: whether it has instances that it may take back; ``marketplace``: whether anybody may publish images;
    ``by_id``: whether it can be asked for one VM by its id; where it cannot, its lists alone speak;
    ``list_owners``: for how many queues its server filters one list, None: it does not, a list shows everyone.
    """

    user_data: Limit = NOVA
    batches: bool = False
    partial: bool = False
    native: str = ""
    colon: str = ":"
    networks: int | None = None
    grid_proxy: bool = True
    session_token: bool = False
    key: bool = True
    spot: bool = False
    marketplace: bool = False
    by_id: bool = True
    list_owners: int | None = None
