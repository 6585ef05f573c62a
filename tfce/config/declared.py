"""How an option is declared: once, as a field of its group. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Option:
    """One option: how its text is read, what it is when absent, and what the documentation says."""

    name: str
    read: Callable[[str], Any]
    default: str
    help: str
    example: str
    required: bool = False


def option(*facts: Any) -> Any:
    """The field of an option with these ``facts``."""
    return field(metadata={"option": Option(*facts)})


def declared(group: type[Any]) -> Iterator[tuple[str, Option]]:
    """The fields of a group, with their options."""
    for one in fields(group):
        yield one.name, one.metadata["option"]
