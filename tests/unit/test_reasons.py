"""What the clouds' codes and words mean: the tables, row by row."""

from __future__ import annotations

import pytest

from tfce.cloud.ec2 import errors as ec2
from tfce.cloud.generic import errors as generic
from tfce.cloud.openstack import errors as openstack
from tfce.model.errors import CloudError, TfceError
from tfce.model.reasons import Kind, Reason

# As libcloud ("Code: words"), the AWS SDK 2 ("api error Code: words") and SDK 1 (a status behind it) put it.
_SDK2 = (
    "creating EC2 Instance: operation error EC2: RunInstances, https response error StatusCode: 400, RequestID: 1"
)
EC2_NO_ROOM = {
    "InsufficientInstanceCapacity: We currently do not have sufficient t3.medium capacity": Kind.CAPACITY,
    f"{_SDK2}, api error InsufficientInstanceCapacity: We currently do not": Kind.CAPACITY,
    "InsufficientHostCapacity: There is insufficient capacity on your Dedicated Host": Kind.CAPACITY,
    "InsufficientReservedInstanceCapacity: There are insufficient Reserved instances available": Kind.CAPACITY,
    "InsufficientVolumeCapacity: There is not enough capacity to fulfill the request for provisioned IOPS": (
        Kind.CAPACITY
    ),
    "InsufficientCapacity: Insufficient capacity": Kind.CAPACITY,
    "InsufficientFreeAddressesInSubnet: There are not enough free addresses in subnet 'subnet-1'": Kind.CAPACITY,
    "InsufficientAddressCapacity: Not enough available addresses": Kind.CAPACITY,
    "SpotMaxPriceTooLow: Your Spot request price of 0.01 is lower than the minimum": Kind.CAPACITY,
    "Unsupported: Your requested instance type (t3.nano) is not supported in your requested Availability Zone "
    "(us-east-1e).": Kind.CAPACITY,
    "ReservationCapacityExceeded: The requested reservation is full": Kind.CAPACITY,
    "InstanceLimitExceeded: You have requested more instances (3) than your current limit of 2": Kind.QUOTA,
    f"{_SDK2}, api error VcpuLimitExceeded: You have requested more vCPU capacity": Kind.QUOTA,
    "MaxSpotInstanceCountExceeded: Max spot instance count exceeded": Kind.SPOT_QUOTA,
    "InsufficientInstanceCapacity: There is no Spot capacity available that matches your request.": Kind.CAPACITY,
    "UnfulfillableCapacity: We currently do not have capacity available in our Spot pools": Kind.CAPACITY,
    "ResourceCountExceeded: You have exceeded the number of resources allowed": Kind.QUOTA,
    "RequestResourceCountExceeded: Details in your request exceed the numbers allowed": Kind.QUOTA,
    "VolumeLimitExceeded: You have exceeded your maximum gp2 storage limit of 20 TiB": Kind.QUOTA,
    "MaxIOPSLimitExceeded: You have exceeded your maximum IOPS": Kind.QUOTA,
    "NetworkInterfaceLimitExceeded: You have reached the limit on network interfaces": Kind.QUOTA,
    "AddressLimitExceeded: The maximum number of addresses has been reached": Kind.QUOTA,
    "PrivateIpAddressLimitExceeded: Number of private addresses will exceed limit": Kind.QUOTA,
    "HostLimitExceeded: You have reached the limit on the number of Dedicated Hosts": Kind.QUOTA,
    "RequestLimitExceeded: Request limit exceeded.": Kind.THROTTLED,
    "RequestLimitExceeded: Request limit exceeded.\n\tstatus code: 503, request id: 1": Kind.THROTTLED,
    "Throttling: Rate exceeded": Kind.THROTTLED,
    "ThrottlingException: Rate exceeded": Kind.THROTTLED,
    "EC2ThrottledException: slow down": Kind.THROTTLED,
    "TooManyRequestsException: slow down": Kind.THROTTLED,
}
EC2_OTHER = {
    "InvalidSpotInstanceRequestID.NotFound: The spot instance request ID does not exist": Kind.CONFIGURATION,
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted: no permission to create the role": Kind.AUTHENTICATION,
    "AuthFailure: AWS was not able to validate the provided access credentials": Kind.AUTHENTICATION,
    "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message>": Kind.AUTHENTICATION,
    "OptInRequired: You are not subscribed to this service": Kind.AUTHENTICATION,
    "PendingVerification: Your request for accessing resources in this region is being validated": (
        Kind.AUTHENTICATION
    ),
    "RequestExpired: Request has expired.": Kind.AUTHENTICATION,
    "InvalidAMIID.NotFound: The image id '[ami-1]' does not exist": Kind.IMAGE,
    "InvalidAMIID.Malformed: Invalid id": Kind.IMAGE,
    "InvalidSnapshot.NotFound: The snapshot does not exist": Kind.IMAGE,
    "InvalidInstanceType: The instance type 't9.big' of the family t9 does not exist": Kind.FLAVOR,
    "InvalidParameterValue: Invalid value 't9' for InstanceType.": Kind.FLAVOR,
    "InvalidParameterValue: User data is limited to 16384 bytes": Kind.USER_DATA,
    "InvalidUserData.Malformed: Invalid BASE64 encoding of user data": Kind.USER_DATA,
    "InvalidSubnetID.NotFound: The subnet ID 'subnet-1' does not exist": Kind.NETWORK,
    "InvalidGroup.NotFound: The security group 'sg-1' does not exist": Kind.NETWORK,
    "VPCIdNotSpecified: No default VPC for this user": Kind.NETWORK,
    "MissingParameter: The request must contain the parameter subnetId; no default VPC": Kind.NETWORK,
    "MissingParameter: The request must contain the parameter ImageId": Kind.CONFIGURATION,
    "Unsupported: The requested configuration is currently not supported.": Kind.CONFIGURATION,
    "InvalidKeyPair.NotFound: The key pair 'operators' does not exist": Kind.KEY_PAIR,
    "InternalError: An internal error has occurred": Kind.UNREACHABLE,
    "InvalidInstanceID.NotFound: The instance ID 'i-1' does not exist": Kind.GONE,
    "dial tcp 127.0.0.1:4566: connect: connection refused": Kind.UNREACHABLE,
    'Post "https://ec2": EOF': Kind.UNREACHABLE,
    "FlyingPigsExceeded: there is a word that no table has": Kind.UNCLASSIFIED,
    "we have no capacity and no quota for you, the limit is exceeded": Kind.UNCLASSIFIED,
    "": Kind.UNCLASSIFIED,
}
_GOPHER = (
    "Error creating OpenStack server: Expected HTTP response code [202] when accessing [POST https://nova/], but"
)
OPENSTACK_NO_ROOM = {
    "403 Forbidden Quota exceeded for cores: Requested 2, but already used 20 of 20 cores": Kind.QUOTA,
    "403 Forbidden Quota exceeded for instances: Requested 1, but already used 10 of 10 instances": Kind.QUOTA,
    "403 Forbidden Quota exceeded for ram: Requested 512, but already used 512 of 512 ram": Kind.QUOTA,
    f'{_GOPHER} got 403 instead: {{"forbidden": {{"code": 403, "message": "Quota exceeded for instances"}}}}': (
        Kind.QUOTA
    ),
    "409 Conflict Quota exceeded for resources: ['port'].": Kind.QUOTA,
    "403 Forbidden Maximum number of ports exceeded": Kind.QUOTA,
    "413 Request Entity Too Large Quota exceeded for instances: Requested 1": Kind.QUOTA,
    '409 Conflict {"NeutronError": {"type": "OverQuota", "message": "no", "detail": ""}}': Kind.QUOTA,
    "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota.": Kind.QUOTA,
    "VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded for quota 'volumes'.": Kind.QUOTA,
    "403 Forbidden Project 1a2b is over a limit for [Resource servers is over limit of 10 due to current usage 10 "
    "and delta 1]": Kind.QUOTA,
    "400 Bad Request No more IP addresses available on network 1a2b.": Kind.CAPACITY,
    '409 Conflict {"NeutronError": {"type": "IpAddressGenerationFailure", "message": "No more", "detail": ""}}': (
        Kind.CAPACITY
    ),
    '503 Service Unavailable {"NeutronError": {"type": "MacAddressGenerationFailure", "message": "x"}}': (
        Kind.CAPACITY
    ),
    "No fixed IP addresses available for network: 1a2b": Kind.CAPACITY,
    "Zero fixed ips available.": Kind.CAPACITY,
    "No valid host was found. There are not enough hosts available.": Kind.CAPACITY,
    "Exhausted all hosts available for retrying build failures for instance 1a2b.": Kind.CAPACITY,
    "Exceeded maximum number of retries. Exceeded max scheduling attempts 3 for instance 1a2b.": Kind.CAPACITY,
    "Insufficient compute resources: Free memory 12.00 MB < requested 512 MB.": Kind.CAPACITY,
    "Build of instance 1a2b aborted: Host 'c1' is not allowed in aggregate 7": Kind.CAPACITY,
    "413 Request Entity Too Large This request was rate-limited.": Kind.THROTTLED,
    "413 Request Entity Too Large overLimit": Kind.THROTTLED,
    "429 Too Many Requests slow down": Kind.THROTTLED,
}
OPENSTACK_OTHER = {
    "401 Unauthorized The request you have made requires authentication.": Kind.AUTHENTICATION,
    "403 Forbidden Policy doesn't allow os_compute_api:servers:create to be performed.": Kind.AUTHENTICATION,
    "400 Bad Request Can not find requested image": Kind.IMAGE,
    "400 Bad Request Image 1a2b is unacceptable: its status is queued": Kind.IMAGE,
    "404 Not Found Flavor m1.huge could not be found.": Kind.FLAVOR,
    "403 Forbidden Only volume-backed servers are allowed for flavors with zero disk.": Kind.FLAVOR,
    '409 Conflict {"NeutronError": {"type": "IpAddressGenerationFailureNoMatchingSubnet", "message": "No valid '
    'service subnet for the given device owner", "detail": ""}}': Kind.NETWORK,
    "400 Bad Request Network 1a2b could not be found.": Kind.NETWORK,
    "Error trying to get network information from the Network API: Could not find any matching network for id 1a2b"
    "": Kind.NETWORK,
    "Error trying to get network information from the Network API: More than one network found for name site"
    "": Kind.NETWORK,
    "409 Conflict Multiple possible networks found, use a Network ID to be more specific.": Kind.NETWORK,
    "400 Bad Request Security group pilots not found for project 1.": Kind.NETWORK,
    "400 Bad Request Invalid key_name provided.": Kind.KEY_PAIR,
    "400 Bad Request Invalid input for field/attribute user_data. Value: x. is too long": Kind.USER_DATA,
    "400 Bad Request The requested availability zone is not available": Kind.CONFIGURATION,
    "500 Internal Server Error Unexpected API Error.": Kind.UNREACHABLE,
    "503 Service Unavailable": Kind.UNREACHABLE,
    "read tcp: i/o timeout": Kind.UNREACHABLE,
    "409 Conflict Cannot 'delete' instance while it is in vm_state locked": Kind.UNCLASSIFIED,
    "RBD: error connecting to the cluster: there is no space left": Kind.UNCLASSIFIED,
    "": Kind.UNCLASSIFIED,
}


def test_there_are_rows_enough() -> None:
    assert len(EC2_NO_ROOM) >= 20 and len(OPENSTACK_NO_ROOM) >= 15


@pytest.mark.parametrize(("text", "kind"), [*EC2_NO_ROOM.items(), *EC2_OTHER.items()])
def test_ec2s_codes(text: str, kind: Kind) -> None:
    reason = ec2.reason_of_message(text)
    assert (reason.kind, reason.text, reason.no_room) == (kind, text, text in EC2_NO_ROOM)


@pytest.mark.parametrize(("text", "kind"), [*OPENSTACK_NO_ROOM.items(), *OPENSTACK_OTHER.items()])
def test_openstacks_refusals_and_faults(text: str, kind: Kind) -> None:
    reason = openstack.reason_of_message(text)
    assert (reason.kind, reason.text, reason.no_room) == (kind, text, text in OPENSTACK_NO_ROOM)


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("VPCIdNotSpecified: No default VPC for this user", "Instance_Networks"),
        ("MissingParameter: no subnet was named", "Instance_Networks"),
        ("OptInRequired: You are not subscribed to this service", "subscribe"),
    ],
)
def test_what_an_operator_can_cure_says_how(text: str, cure: str) -> None:
    reason = ec2.reason_of_message(text)
    assert cure in reason.cure and not reason.no_room
    assert str(reason) == f"{text}; {reason.cure}"


def test_a_word_that_no_table_has_keeps_its_code_and_is_a_reason_to_rest() -> None:
    reason = ec2.reason_of_message("FlyingPigsExceeded: no more pigs")
    assert (reason.kind, reason.code) == (Kind.UNCLASSIFIED, "FlyingPigsExceeded")
    assert not reason.no_room and reason.starts_nothing
    assert openstack.reason_of_message("409 Conflict it is locked").code == "409"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("Server.InsufficientInstanceCapacity", Kind.CAPACITY),
        ("Client.VolumeLimitExceeded", Kind.QUOTA),
        ("Client.InvalidSnapshot.NotFound", Kind.IMAGE),
        ("Server.SpotInstanceTermination", Kind.TAKEN_AWAY),
        ("Server.SpotInstanceShutdown", Kind.TAKEN_AWAY),
        ("Server.InternalError", Kind.TAKEN_AWAY),
        ("Client.InternalError", Kind.CONFIGURATION),
        ("Server.NobodyKnows", Kind.UNCLASSIFIED),
    ],
)
def test_why_ec2_ended_an_instance(code: str, kind: Kind) -> None:
    reason = ec2.reason_of_end(code, "words")
    assert reason is not None and (reason.kind, reason.code, reason.text) == (kind, code, "words")
    assert ec2.reason_of_end("", f"{code}: words") is not None


@pytest.mark.parametrize("code", ["Client.UserInitiatedShutdown", "Client.InstanceInitiatedShutdown", ""])
def test_an_end_that_somebody_wanted_is_no_fault(code: str) -> None:
    assert ec2.reason_of_end(code, "User initiated (2026-01-31 12:05:00 GMT)") is None


def test_novas_fault_knows_its_code_and_a_500_there_says_nothing_of_the_api() -> None:
    assert openstack.reason_of_fault("") is None
    reason = openstack.reason_of_fault("No valid host was found.", "500")
    assert reason is not None and (reason.kind, reason.code) == (Kind.CAPACITY, "500")
    reason = openstack.reason_of_fault("Build aborted: pigs", "500")
    assert reason is not None and (reason.kind, reason.code) == (Kind.UNCLASSIFIED, "500")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("429 slow", Kind.THROTTLED),
        ("503 later", Kind.UNREACHABLE),
        ("RateLimitReachedError: 10 a second", Kind.THROTTLED),
        ("Quota exceeded for cores", Kind.UNCLASSIFIED),
    ],
)
def test_other_clouds_words_are_not_guessed_at(text: str, kind: Kind) -> None:
    assert generic.reason_of_message(text).kind is kind


def test_a_reason_is_the_same_after_a_file() -> None:
    for reason in (Reason(Kind.QUOTA, "full"), Reason(Kind.NETWORK, "no VPC", "VPCIdNotSpecified", "name one")):
        assert Reason.from_json(reason.to_json()) == reason
    assert Reason.from_json("an old text") == Reason(Kind.UNCLASSIFIED, "an old text")


def test_a_kind_that_only_a_newer_tfce_knows_is_unclassified_and_its_code_stays() -> None:
    entry = {"kind": "on strike", "text": "x", "code": "Strike", "since": 7}
    assert Reason.from_json(entry) == Reason(Kind.UNCLASSIFIED, "x", "Strike")
    assert Reason.from_json({"kind": "on strike", "text": "x"}) == Reason(Kind.UNCLASSIFIED, "x", "on strike")


@pytest.mark.parametrize(
    "value", [None, 7, {}, {"kind": "quota"}, {"kind": 7, "text": "x"}, {"kind": "quota", "text": 7}]
)
def test_what_is_no_reason_is_not_believed(value: object) -> None:
    with pytest.raises(ValueError):
        Reason.from_json(value)


def test_an_error_carries_its_reason_and_its_cure() -> None:
    error = CloudError("starting: VPCIdNotSpecified", reason=ec2.reason_of_message("VPCIdNotSpecified: none"))
    assert error.kind == "network" and error.cure and error.problem == "starting: VPCIdNotSpecified"
    assert str(error) == error.message == f"{error.problem}; {error.cure}"
    assert TfceError("broken").cure == "" and CloudError("odd").reason == Reason(Kind.UNCLASSIFIED, "odd")
