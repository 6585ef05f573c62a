"""Options whose names are nearly one of tfce's: DIRAC passes over them without a word. Pure.

Not every name that nobody knows is wrong: a CE has options of DIRAC's, of its extensions and of other elements.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from tfce.config.declared import declared
from tfce.config.settings import GROUPS, OPTIONS
from tfce.model.errors import Fault

OUR_PREFIXES = ("Terraform_", "Workspace_")
_DRIVER = "Driver_"
_NAMES = frozenset(option.name for option in OPTIONS)
# DIRAC has names of its own beside its own: CEDefaults has a MaxCPUTime, queues a maxCPUTime.
DIRACS = frozenset({option.name for _, option in declared(GROUPS["limits"])} | {"NumberOfProcessors"})


def faults(given: Mapping[str, str]) -> Iterator[Fault]:
    """Of the names in ``given`` those that nobody but tfce can be meant by, and that tfce does not know."""
    for name, value in given.items():
        if name in _NAMES or name.startswith(_DRIVER):
            continue
        if name.lower().startswith(_DRIVER.lower()):  # its value may be a secret
            right = _DRIVER + name[len(_DRIVER) :]
            yield Fault(name, "", "tfce has no such option", f"did you mean {right}?")
        elif near := _near(name):
            yield Fault(name, value, "tfce has no such option", f"did you mean {near}?")
        elif name.startswith(OUR_PREFIXES):
            close = difflib.get_close_matches(name, _NAMES, 1)
            lost = "remove it; docs/reference/options.md lists tfce's options"
            yield Fault(name, value, "tfce has no such option", f"did you mean {close[0]}?" if close else lost)


def _near(name: str) -> str:
    """The option whose name is another only in case, underscores or one letter; "" for none."""
    folded = _folded(name)
    some = (known for known in _FOLDED if abs(len(known) - len(folded)) <= 1)
    return next((_FOLDED[known] for known in some if _one_apart(folded, known)), "")


def _folded(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isascii() and letter.isalnum())


_FOLDED = {_folded(name): name for name in sorted(_NAMES - DIRACS)}


def _one_apart(first: str, second: str) -> bool:
    """Whether two words are the same but for one letter more, less or other, or two that changed places."""
    while first and second and first[0] == second[0]:
        first, second = first[1:], second[1:]
    while first and second and first[-1] == second[-1]:
        first, second = first[:-1], second[:-1]
    return max(len(first), len(second)) <= 1 or (len(first) == 2 and first == second[::-1])
