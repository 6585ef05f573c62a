"""What EC2's error codes mean.

Sources, read in November 2026:

- most codes: "Error codes for the Amazon EC2 API"
  (docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html);
- UnfulfillableCapacity, VcpuLimitExceeded, InvalidUserData: karpenter-provider-aws, pkg/errors/errors.go;
- InsufficientCapacityOnOutpost: "Troubleshoot problems with Amazon EKS clusters and nodes";
- SpotMaxPriceTooLow: RunInstances' answer to a price below today's, as its users report it;
- codes by which any API of AWS throttles: ``tfce.cloud.retries``; expired tokens and denials: "Common errors" of
  the API references; InvalidCreds: libcloud, which has no code for a 401;
- ends of instances: "StateReason" of the EC2 reference.

Codes are compared, not words; the few codes that mean several things are told apart by the parameter that their
text names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from tfce.cloud.explain import silent
from tfce.cloud.retries import THROTTLES
from tfce.model.reasons import Kind, Reason

_CODES: Mapping[Kind, str] = {
    Kind.CAPACITY: "InsufficientInstanceCapacity InsufficientHostCapacity InsufficientReservedInstanceCapacity "
    "InsufficientReservedInstancesCapacity InsufficientCapacity InsufficientCapacityOnHost "
    "InsufficientVolumeCapacity InsufficientAddressCapacity InsufficientFreeAddressesInSubnet "
    "ReservationCapacityExceeded SpotMaxPriceTooLow UnfulfillableCapacity InsufficientCapacityOnOutpost",
    Kind.SPOT_QUOTA: "MaxSpotInstanceCountExceeded SpotInstanceCountExceeded MaxSpotFleetRequestCountExceeded",
    Kind.QUOTA: "InstanceLimitExceeded VcpuLimitExceeded ResourceCountExceeded ResourceCountLimitExceeded "
    "ResourceLimitExceeded RequestResourceCountExceeded VolumeLimitExceeded MaxIOPSLimitExceeded "
    "NetworkInterfaceLimitExceeded AddressLimitExceeded PrivateIpAddressLimitExceeded HostLimitExceeded",
    Kind.THROTTLED: " ".join(THROTTLES),
    Kind.AUTHENTICATION: "AuthFailure UnauthorizedOperation InvalidClientTokenId SignatureDoesNotMatch "
    "IncompleteSignature MissingAuthenticationToken OptInRequired Blocked PendingVerification RequestExpired "
    "RequestTimeTooSkewed ExpiredToken ExpiredTokenException AccessDenied AccessDeniedException "
    "UnrecognizedClientException InvalidCreds",
    Kind.IMAGE: "InvalidAMIID InvalidAMIName InvalidAMIAttributeItemValue InvalidSnapshot InvalidManifest",
    Kind.FLAVOR: "InvalidInstanceType InvalidInstanceAttributeValue",
    Kind.NETWORK: "InvalidSubnet InvalidSubnetID InvalidGroup InvalidGroupId InvalidSecurityGroupID "
    "InvalidNetworkInterfaceID InvalidVpcID VPCIdNotSpecified VPCResourceNotSpecified InvalidSecurity "
    "DefaultVpcDoesNotExist",
    Kind.KEY_PAIR: "InvalidKeyPair InvalidKey",
    Kind.USER_DATA: "InvalidUserData",
    Kind.CONFIGURATION: "InvalidParameter InvalidParameterValue InvalidParameterCombination MissingParameter "
    "UnknownParameter Unsupported UnsupportedOperation InvalidBlockDeviceMapping InvalidPlacementGroup "
    "InvalidZone InvalidAvailabilityZone InvalidAction OperationNotPermitted TagLimitExceeded InvalidTagKey "
    "SecurityGroupsPerInstanceLimitExceeded InvalidRequest MalformedQueryString InvalidIamInstanceProfile "
    "InvalidSpotInstanceRequestID InvalidSpotInstanceRequest InvalidSpotDatafeed InvalidSpotFleetRequestConfig",
    Kind.UNREACHABLE: "InternalError InternalFailure InternalServerError Unavailable ServiceUnavailable "
    "RequestTimeout",
    Kind.GONE: "InvalidInstanceID",
}
_KINDS: Mapping[str, Kind] = MappingProxyType(
    {code: kind for kind, codes in _CODES.items() for code in codes.split()}
)

# Codes that mean several things: (code, what the text names, kind).
_FINER = (
    ("Unsupported", re.compile(r"Availability Zone", re.IGNORECASE), Kind.CAPACITY),
    ("MissingParameter", re.compile(r"\bVPC\b|subnet", re.IGNORECASE), Kind.NETWORK),
    ("InvalidParameterValue", re.compile(r"instance ?type", re.IGNORECASE), Kind.FLAVOR),
    ("InvalidParameterValue", re.compile(r"user ?data", re.IGNORECASE), Kind.USER_DATA),
    ("InvalidParameterValue", re.compile(r"subnet|\bVPC\b", re.IGNORECASE), Kind.NETWORK),
    ("InvalidParameterValue", re.compile(r"image ?id|\bAMI\b", re.IGNORECASE), Kind.IMAGE),
    ("InvalidRequest", re.compile(r"user ?data", re.IGNORECASE), Kind.USER_DATA),
)

_SUBNET = "name a subnet with Instance_Networks: the account has no default VPC"
_CLOCK = "synchronise the host's clock"
_CURES: Mapping[str, str] = {
    "VPCIdNotSpecified": _SUBNET,
    "DefaultVpcDoesNotExist": _SUBNET,
    "MissingParameter": _SUBNET,
    "OptInRequired": "subscribe to the image or the region with the account that owns the key",
    "PendingVerification": "AWS verifies the account; wait for its mail, or ask its support",
    "Blocked": "the account is blocked; ask AWS's support",
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted": "make the role once: aws iam create-service-linked-role "
    "--aws-service-name spot.amazonaws.com",
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "SpotMaxPriceTooLow": "raise Terraform_SpotMaxPrice, or remove it: no more than the common price is ever paid",
}

# Why EC2 ended an instance itself, where that is not one of the codes above. Anything else is no fault: the VM, or
# somebody who may, switched it off.
_ENDED: Mapping[str, tuple[Kind, str]] = {
    "Server.SpotInstanceTermination": (Kind.TAKEN_AWAY, ""),
    "Server.SpotInstanceShutdown": (Kind.TAKEN_AWAY, ""),
    "Server.ScheduledStop": (Kind.TAKEN_AWAY, ""),
    "Server.InternalError": (Kind.TAKEN_AWAY, ""),
    "Client.InternalError": (Kind.CONFIGURATION, "let the credentials use the key (KMS) of the encrypted volume"),
    "Client.LaunchFailure": (Kind.CONFIGURATION, ""),
}
SWITCHED_OFF = "Client.InstanceInitiatedShutdown"  # by its own power-off
_BY_SOMEBODY = ("Client.UserInitiated", "Client.InstanceInitiated", "Server.UserInitiated")

_ODD = ("UnknownParameter", "InvalidParameter", "InvalidParameterValue", "InvalidParameterCombination")
# "Signature expired: … is now earlier than …", "Signature not yet current: … is still later than …"
_SKEWED = re.compile(r"\b[0-9]{8}T[0-9]{6}Z is (?:now earlier|still later) than [0-9]{8}T[0-9]{6}Z")
_END = re.compile(r"(?:Server|Client)\.[A-Za-z][\w.]*")
_API_ERROR = re.compile(r"api error ([A-Z][\w.]+)|<Code>([\w.]+)</Code>")
_CODE = re.compile(r"(?<![\w.])([A-Z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)*): ")


def reason_of(code: str, text: str) -> Reason:
    """What EC2 means by ``code``; ``text`` is what people read."""
    bare = code.removeprefix("Client.").removeprefix("Server.")
    first = bare.partition(".")[0]
    kind = _KINDS.get(bare) or _KINDS.get(first) or Kind.UNCLASSIFIED
    kind = next((finer for name, named, finer in _FINER if name == first and named.search(text)), kind)
    if _SKEWED.search(text):
        return Reason(kind, text, code, _CLOCK)
    cure = _CURES.get(bare) or _CURES.get(first, "") if first != "MissingParameter" or kind is Kind.NETWORK else ""
    return Reason(kind, text, code, cure)


def reason_of_message(text: str) -> Reason:
    """What a text means that holds EC2's code: an error of libcloud's (``Code: words``), of the API itself, or of
    hashicorp/aws (``… api error Code: words``)."""
    found = _API_ERROR.search(text)
    if found:
        return reason_of(found.group(1) or found.group(2), text)
    codes = _CODE.findall(f"{text}: ")
    known = next((code for code in codes if reason_of(code, text).kind is not Kind.UNCLASSIFIED), None)
    if known:
        return reason_of(known, text)
    if silent(text):
        return Reason(Kind.UNREACHABLE, text)
    return Reason(Kind.UNCLASSIFIED, text, next((code for code in codes if _is_code(code)), ""))


def knows_no(parameter: str, reason: Reason) -> bool:
    """Whether a cloud that only speaks EC2's API refused a request for this parameter, which it does not know."""
    return reason.code in _ODD and parameter in reason.text


def _is_code(word: str) -> bool:
    return sum(letter.isupper() for letter in word) > 1


def reason_of_end(code: str, text: str) -> Reason | None:
    """Why EC2 ended an instance, by the code of its ``stateReason``, which may only stand before the text; None
    where EC2 did not, or does not say."""
    code = code or text.partition(":")[0]
    if not _END.fullmatch(code) or code.startswith(_BY_SOMEBODY):
        return None
    known = _ENDED.get(code)
    return Reason(known[0], text or code, code, known[1]) if known else reason_of(code, text or code)
