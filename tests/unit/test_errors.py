"""Errors: what they say, what they never say, and what a cloud's words mean."""

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
    classify,
    mask,
    shorten,
)

# Words that clouds and providers really use.
WORDS = {
    "RequestLimitExceeded: Request limit exceeded.": "throttled",
    "Throttling: Rate exceeded": "throttled",
    "TooManyRequests: slow down": "throttled",
    "InstanceLimitExceeded: You have requested more instances (3) than your current limit of 2": "quota",
    "VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 32": "quota",
    "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances": "quota",
    "MaxSpotInstanceCountExceeded: Max spot instance count exceeded": "quota",
    "InsufficientInstanceCapacity: We currently do not have sufficient t3.medium capacity": "capacity",
    "No valid host was found. There are not enough hosts available.": "capacity",
    "AuthFailure: AWS was not able to validate the provided access credentials": "authentication",
    "InvalidClientTokenId: The security token included in the request is invalid": "authentication",
    "UnauthorizedOperation: You are not authorized to perform this operation.": "authentication",
    "RequestExpired: Request has expired.": "authentication",
    "The request you have made requires authentication. (HTTP 401)": "authentication",
    "InvalidAMIID.NotFound: The image id '[ami-1]' does not exist": "image",
    "InvalidAMIID.Malformed: Invalid id": "image",
    "Your query returned no results. data.aws_ami.pilot": "image",
    "InvalidInstanceType: The instance type 't9.big' of the family t9 does not exist": "flavor",
    "InvalidParameterValue: Invalid value 't9' for InstanceType.": "flavor",
    "Flavor m1.huge could not be found.": "flavor",
    "InvalidSubnetID.NotFound: The subnet ID 'subnet-1' does not exist": "network",
    "InvalidGroup.NotFound: The security group 'sg-1' does not exist": "network",
    "InvalidKeyPair.NotFound: The key pair 'operators' does not exist": "key pair",
    "InvalidUserData.Malformed: Invalid BASE64 encoding of user data": "context",
    "dial tcp 127.0.0.1:4566: connect: connection refused": "unreachable",
    "read tcp: i/o timeout": "unreachable",
    "503 Service Unavailable": "unreachable",
    'Post "https://ec2": EOF': "unreachable",
    "InternalError: An internal error has occurred": "unreachable",
    "dynamic examination of the typeof streaming family": "error",
    "": "error",
}


@pytest.mark.parametrize(("text", "kind"), WORDS.items())
def test_a_clouds_words_are_understood(text: str, kind: str) -> None:
    assert classify(text) == kind
    assert CloudError(text).kind == kind


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


@pytest.mark.parametrize(
    ("text", "secrets", "masked"),
    [
        ("the secret is hush!", ["hush"], "the secret is ****!"),
        ("hushhush", ["hush"], "********"),
        ("abcdef", ["abcd", "abcdef"], "****"),  # the longer one first, or its end stays
        ("a+b/c=d", ["+b/c="], "a****d"),
        ("(.*)x", ["(.*)"], "****x"),
        ("nothing", ["hush", ""], "nothing"),
        ("abc", ["abc"], "abc"),  # too short to be one
    ],
)
def test_secrets_are_masked(text: str, secrets: list[str], masked: str) -> None:
    assert mask(text, iter(secrets)) == masked


def test_long_words_are_cut_in_the_middle_to_one_line() -> None:
    text = "start\n" + "x" * 5000 + "\n\tend"
    cut = shorten(text)
    assert cut.startswith("start x") and cut.endswith("x end") and "\n" not in cut and len(cut) <= 403
    assert shorten(" a\n b ") == "a b"
    assert shorten("x" * 400) == "x" * 400
