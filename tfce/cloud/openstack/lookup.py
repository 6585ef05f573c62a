"""Looking things up in OpenStack by name."""

from __future__ import annotations

from tfce.cloud.edge import translated
from tfce.cloud.openstack.session import Session

# kind: which service knows it, the path, and where the answer has them
_FIND = {
    "image": ("image", "/v2/images", "images"),
    "flavor": ("compute", "/flavors", "flavors"),
    "network": ("network", "/v2.0/networks", "networks"),
    "security_group": ("network", "/v2.0/security-groups", "security_groups"),
}


def find(session: Session, kind: str, name: str) -> list[str]:
    """The ids of what is called ``name``."""
    service, path, items = _FIND[kind]
    params = {} if kind == "flavor" else {"name": name}
    asking = f"looking for the {kind} {name}"
    answer = session.ask(asking, path, params, none=(), service=service) or {}
    with translated(asking, session.secrets):
        return [str(item["id"]) for item in answer[items] if item.get("name") == name]
