"""A cloud that does not answer: who was asked, without what else stands in the URL."""

from __future__ import annotations

import pytest
import requests

from tfce.cloud.libcloud_errors import translated
from tfce.model.errors import CloudError


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://user:PLANTED@ec2.nowhere.example/?Signature=PLANTED", "ec2.nowhere.example: "),
        ("https://[::1]:8774/v2.1/servers?token=PLANTED", "::1:8774: "),
        ("http://host.example:PLANTED/", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_the_host_is_named(url: str | None, asked: str) -> None:
    request = requests.PreparedRequest()
    request.url = url
    with pytest.raises(CloudError) as error, translated("listing VMs", ()):
        raise requests.ConnectionError(f"{url}: Failed to resolve a name", request=request)
    assert error.value.message == f"listing VMs: the cloud does not answer: {asked}ConnectionError (resolve)"


def test_nobody_may_be_known() -> None:
    with pytest.raises(CloudError, match=r"does not answer: ConnectionError \(refused\)"), translated("x", ()):
        raise requests.ConnectionError("Connection refused")
