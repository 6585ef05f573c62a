"""What a VM is told at its start: cloud-init documents made of a template, the pilot's wrapper and its proxy."""

from tfce.userdata.document import (
    Context,
    ContextError,
    Limit,
    Recipe,
    check,
    preview,
    render,
    takes_batches,
)
from tfce.userdata.wrapper import brings_proxy, wrapper_of

__all__ = [
    "Context",
    "ContextError",
    "Limit",
    "Recipe",
    "brings_proxy",
    "check",
    "preview",
    "render",
    "takes_batches",
    "wrapper_of",
]
