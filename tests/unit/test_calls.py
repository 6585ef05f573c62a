"""Counting API calls in providers' logs."""

from __future__ import annotations

import pytest

from tfce.terraform.calls import count_calls

V1 = (
    "2026-01-31T12:00:00.000Z [DEBUG] provider.terraform-provider-aws_v3.39.0_x5: 2026/01/31 12:00:00 "
    "[DEBUG] [aws-sdk-go] DEBUG: Request ec2/{} Details:"
)
V2 = (
    "2026-01-31T12:00:00.000Z [DEBUG] provider.terraform-provider-aws_v5.100.0_x5: HTTP Request Sent: "
    "@caller=x aws.region=us-east-1 http.method=POST rpc.method={} rpc.service=EC2 rpc.system=aws-api"
)


@pytest.mark.parametrize(
    ("lines", "counts"),
    [
        ([], {}),
        (["nothing of that kind", "rpc.method=RunInstances in an answer"], {}),
        (
            [V1.format("RunInstances")] * 3 + [V1.format("DescribeInstances")],
            {"RunInstances": 3, "DescribeInstances": 1},
        ),
        ([V2.format("RunInstances"), V2.format('"DescribeImages"')], {"RunInstances": 1, "DescribeImages": 1}),
        ([V1.format("RunInstances").replace("Request ec2", "Response ec2")], {}),
        (["[DEBUG] HTTP Response Received: rpc.method=RunInstances"], {}),
        (['{"@message":"HTTP Request Sent","rpc.method":"RunInstances"}'], {}),
    ],
)
def test_requests_are_counted_once_and_answers_never(lines: list[str], counts: dict[str, int]) -> None:
    assert count_calls(iter(lines)) == counts
