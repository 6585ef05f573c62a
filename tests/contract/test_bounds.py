"""The number of an option is refused by name, or a queue that has it lives: nobody writes what nobody reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.contract.edges import WRAPPER, FakeEdge
from tfce.config.settings import OPTIONS
from tfce.model.errors import ConfigError

NUMERIC = [one.name for one in OPTIONS if re.fullmatch(r"[0-9.]+", one.example)]
DRIVER = ["Driver_port", "Driver_timeout", "Driver_retry_delay"]
FAR = ["9999999999", "9" * 22, "9" * 5000]
VALUES = [
    *FAR,
    "100000000",
    "604800",
    "1000",
    "0",
    "-1",
    "\uff11\uff12\uff10",
    "\u0663\u0660",
    "1_000",
    "1.5",
    "never",
]
LIFETIME = "Context_MaxLifetime"  # one of a second contradicts the margin
DIRACS = {"maxCPUTime", "NumberOfProcessors"}  # of these tfce refuses nothing; it does without


def test_the_numeric_options_are_found() -> None:
    assert {"Context_MaxLifetime", "Terraform_CreateTimeout", "Workspace_ReapShare", "MaxTotalJobs"} < set(NUMERIC)
    assert len(NUMERIC) > 18


def life(edge: FakeEdge, **options: str) -> None:
    """A submission, a poll, its sweeps and its end, each as another process."""
    (reference,) = edge.parts(**options).fleet.submit(WRAPPER, 1).references
    assert edge.parts(**options).fleet.poll([reference])
    edge.parts(**options).fleet.reap()
    edge.stop(reference.removeprefix("cloud://"))
    assert not edge.parts(**options).fleet.reap().failed
    assert edge.parts(**options).fleet.count()["RunningJobs"] == 0


@pytest.mark.parametrize("option", [*NUMERIC, *DRIVER])
def test_a_number_is_refused_or_lived_with(tmp_path: Path, option: str) -> None:
    accepted = []
    for value in VALUES:
        try:
            FakeEdge(tmp_path).queue("long", {option: value})
            accepted.append(value)
        except ConfigError as error:
            assert not [fault for fault in error.faults if not fault.problem or not fault.cure]
            assert (option, value) in [(fault.option, fault.value) for fault in error.faults] or option == LIFETIME
    assert option in DIRACS or not [value for value in accepted if not value.isascii() or value in FAR]
    for value in accepted[:2]:
        life(FakeEdge(tmp_path / value[:12]), **{option: value})


@pytest.mark.parametrize("option", ["Context_MaxLifetime", "Terraform_CreateTimeout", "Workspace_YoungSeconds"])
@pytest.mark.parametrize("value", ["never", "9999999999"])
def test_who_means_never_is_told_how_to_say_it(tmp_path: Path, option: str, value: str) -> None:
    with pytest.raises(ConfigError, match=r"at most 100000000 .three years"):
        FakeEdge(tmp_path).queue("long", {option: value})
