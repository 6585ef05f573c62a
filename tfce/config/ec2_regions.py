"""AWS's regions. libcloud's table ends in 2021 and refuses all that came later. Pure.

Source: "AWS Regions" (docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html) and botocore's
partitions, as of late 2025. A region that is missing here is reached with ``Driver_host``.
"""

from __future__ import annotations

REGIONS = frozenset(
    (  # noqa: SIM905  forty lines else
        "af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 "
        "ap-south-2 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 "
        "ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1 cn-north-1 cn-northwest-1 eu-central-1 "
        "eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 eusc-de-east-1 "
        "il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-gov-east-1 "
        "us-gov-west-1 us-west-1 us-west-2"
    ).split()
)
_SUFFIXES = {"cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu"}


def host(region: str) -> str:
    """Where the EC2 API of a region is."""
    suffix = next((text for start, text in _SUFFIXES.items() if region.startswith(start)), "amazonaws.com")
    return f"ec2.{region}.{suffix}"
