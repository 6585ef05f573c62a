"""Errors: what they say, and what they never say."""

from __future__ import annotations

import pytest

from tfce.model.errors import (
    BusyError,
    CloudError,
    ConfigError,
    Fault,
    TerraformError,
    TfceError,
    WorkspaceError,
    shorten,
)


def test_a_cloud_error_may_know_better() -> None:
    assert CloudError("the answer is empty", "unreachable").kind == "unreachable"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TfceError("x"), 3),
        (TerraformError("x"), 3),
        (CloudError("x"), 3),
        (ConfigError("O", "v", "p", "c"), 2),
        (WorkspaceError("x"), 2),
        (BusyError("x"), 4),
    ],
)
def test_exit_codes(error: TfceError, code: int) -> None:
    assert error.exit_code == code
    assert str(error) == error.message


def test_one_fault_is_one_line_and_many_are_all_told() -> None:
    one, two = Fault("A", "1", "is odd", "make it even"), Fault("B", "", "is missing", "set it")
    assert ConfigError("A", "1", "is odd", "make it even").message == "A = 1: is odd; make it even"
    both = ConfigError.of(iter([one, two]))
    assert both.message == "- A = 1: is odd; make it even\n- B: is missing; set it"
    assert both.faults == (one, two) and isinstance(both, ConfigError) and str(both) == both.message
    assert ConfigError.of([two]).message == "B: is missing; set it"


def test_long_words_are_cut_in_the_middle_to_one_line() -> None:
    text = "start\n" + "x" * 5000 + "\n\tend"
    cut = shorten(text)
    assert cut.startswith("start x") and cut.endswith("x end") and "\n" not in cut and len(cut) <= 403
    assert shorten(" a\n b ") == "a b"
    assert shorten("x" * 400) == "x" * 400
