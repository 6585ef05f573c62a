"""The options: typed groups, each field declared once.

The declaration serves parsing, faults, the reference's table and the element's docstring. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfce.config.allowance import Allowance
from tfce.config.declared import Option, declared
from tfce.config.settings.cloud import Access, VmShape
from tfce.config.settings.limits import Limits
from tfce.config.settings.review import ReviewOptions
from tfce.config.settings.terraform import TerraformOptions
from tfce.config.settings.userdata import UserData
from tfce.config.settings.workspace import WorkspaceOptions

__all__ = [
    "GROUPS",
    "OPTIONS",
    "Access",
    "Limits",
    "ReviewOptions",
    "TerraformOptions",
    "UserData",
    "VmShape",
    "WorkspaceOptions",
]

GROUPS: Mapping[str, type[Any]] = {
    "access": Access,
    "shape": VmShape,
    "userdata": UserData,
    "terraform": TerraformOptions,
    "workspace": WorkspaceOptions,
    "review": ReviewOptions,
    "limits": Limits,
    "allowance": Allowance,
}

OPTIONS: tuple[Option, ...] = tuple(one for group in GROUPS.values() for _, one in declared(group))
