"""What a VM is told at its start: cloud-init documents made of a template, the pilot's wrapper and its proxy."""

from tfce.userdata.document import (
    EC2,
    OPENSTACK,
    Context,
    ContextError,
    Recipe,
    check,
    preview,
    render,
    takes_batches,
)

__all__ = [
    "EC2",
    "OPENSTACK",
    "Context",
    "ContextError",
    "Recipe",
    "check",
    "preview",
    "render",
    "takes_batches",
]
