"""What OpenStack's refusals and nova's faults mean.

The HTTP status and neutron's error type are codes. Nova has none in the ``fault`` of a server, and one status for
many things: so a bounded table of messages, each as a service's source has it. Sources, read in November 2026:

- nova: exception.py, compute/api.py and manager.py, conductor/manager.py, scheduler; unified limits speak in
  the words of oslo.limit (exception.py);
- neutron: ipam/exceptions.py, and neutron_lib/exceptions; cinder: exception.py; glance: common/exception.py;
- what only old services say: rate limits, nova-network's addresses; hosts that an
  aggregate does not allow, as operators report it;
- what terraform-provider-openstack says itself: compute_instance_v2_networking.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tfce.cloud.explain import silent
from tfce.model.reasons import Kind, Reason

# neutron's NeutronError.type, cinder's and nova's exception names where they are shown
_TYPES: Mapping[str, Kind] = {
    "OverQuota": Kind.QUOTA,
    "OverLimit": Kind.THROTTLED,
    "IpAddressGenerationFailure": Kind.CAPACITY,
    "IpAddressGenerationFailureAllSubnets": Kind.CAPACITY,
    "IpAddressGenerationFailureNoMatchingSubnet": Kind.NETWORK,
    "MacAddressGenerationFailure": Kind.CAPACITY,
    "ExternalIpAddressExhausted": Kind.CAPACITY,
    "NoMoreFixedIps": Kind.CAPACITY,
    "NoValidHost": Kind.CAPACITY,
    "PortLimitExceeded": Kind.QUOTA,
    "VolumeLimitExceeded": Kind.QUOTA,
    "VolumeSizeExceedsAvailableQuota": Kind.QUOTA,
    "NetworkNotFound": Kind.NETWORK,
    "SubnetNotFound": Kind.NETWORK,
    "SecurityGroupNotFound": Kind.NETWORK,
}
_TYPE = re.compile(rf"\b({'|'.join(_TYPES)})\b")

# What the services write: first match wins, from special to general.
_MESSAGES: tuple[tuple[Kind, str, str], ...] = (
    (Kind.QUOTA, r"Quota exceeded|[Qq]uota limit exceeded|Quota .* exceeded|exceeds? .*\bquota\b", ""),
    (Kind.QUOTA, r"Maximum number of (?:ports|volumes|fixed ips|volume gigabytes).* exceeded", ""),
    (Kind.QUOTA, r"Project \S+ is over a limit for|is over limit of \d+", ""),
    (Kind.THROTTLED, r"This request was rate-limited|Only \d+ \S+ request\(s\) can be made", ""),
    (Kind.CAPACITY, r"No valid host was found|There are not enough hosts available", ""),
    (Kind.CAPACITY, r"Exhausted all hosts available for retrying", ""),
    (Kind.CAPACITY, r"Exceeded max(?:imum number of)?\b.*\b(?:retries|attempts)", ""),
    (Kind.CAPACITY, r"Insufficient compute resources|Insufficient (?:Free|free) (?:memory|disk|resources)", ""),
    (Kind.CAPACITY, r"No more (?:fixed )?IP addresses available|No fixed IP addresses available", ""),
    (Kind.CAPACITY, r"[Zz]ero fixed ips available|No more fixed ips|No available fixed ips", ""),
    (Kind.CAPACITY, r"Unable to generate unique mac|No weighed backends available|No valid backend was found", ""),
    (Kind.CAPACITY, r"Host \S+ is not allowed|not allowed by aggregate|Aggregate \S+ .*not .*allowed", ""),
    (Kind.FLAVOR, r"volume-backed servers are allowed for flavors with zero disk", "set Terraform_RootVolume"),
    (Kind.FLAVOR, r"[Ff]lavor(?:'s)? .*(?:not found|could not be found|too small)|Invalid flavorRef", ""),
    (Kind.FLAVOR, r"disk is too small for requested image|created instance's disk would be too small", ""),
    (Kind.IMAGE, r"[Ii]mage .*(?:not found|could not be found|is not active|unacceptable|could not be)", ""),
    (Kind.IMAGE, r"[Cc]an ?not find requested image|imageRef|image .* is corrupt", ""),
    (Kind.USER_DATA, r"attribute user_data|[Uu]ser[ _]?data (?:is )?too large|[Uu]serdata", ""),
    (Kind.KEY_PAIR, r"Invalid key_name provided|[Kk]ey ?pair .*not (?:be )?found", ""),
    (Kind.CONFIGURATION, r"[Aa]vailability zone", "correct Terraform_AvailabilityZone"),
    (Kind.NETWORK, r"Multiple possible networks found|[Nn]etwork .*(?:not found|could not be found)", ""),
    (Kind.NETWORK, r"find any matching (?:network|port) for|More than one (?:network|port) found for", ""),
    (Kind.NETWORK, r"Failed to allocate the network|requires a subnet|Security group .*not .*found", ""),
    (Kind.NETWORK, r"create an interface on external network|Virtual Interface creation failed", ""),
    (Kind.AUTHENTICATION, r"Policy doesn't allow|requires authentication|Authentication failed", ""),
    (Kind.GONE, r"Instance \S+ could not be found|No server with a name or ID", ""),
)
_COMPILED = tuple((kind, re.compile(words, re.DOTALL), cure) for kind, words, cure in _MESSAGES)

# What a status alone says. After a 5xx nobody knows what was done.
_STATUS: Mapping[int, Kind] = {
    401: Kind.AUTHENTICATION,
    413: Kind.THROTTLED,
    429: Kind.THROTTLED,
    **dict.fromkeys((408, 500, 502, 503, 504), Kind.UNREACHABLE),
}
# libcloud: "403 Forbidden words"; gophercloud: "… but got 403 instead: {…}" and the API's body
_CODE = re.compile(r"^(\d{3}) |\bgot (\d{3}) instead|\"code\": ?(\d{3})\b|\(HTTP (\d{3})\)")


def reason_of_message(text: str) -> Reason:
    """What a text means that an API's error ended in: libcloud's, or the ready-made provider's."""
    found = _CODE.search(text)
    status = int(next(filter(None, found.groups()))) if found else 0
    return refusal(status, text)


def refusal(status: int, text: str) -> Reason:
    """What an answer with this HTTP ``status`` (0: none is known) means."""
    known = _by_words(text)
    if known:
        return Reason(known[0], text, known[2] or str(status or ""), known[1])
    kind = _STATUS.get(status, Kind.UNREACHABLE if not status and silent(text) else Kind.UNCLASSIFIED)
    return Reason(kind, text, str(status or ""))


def reason_of_fault(text: str, code: str = "") -> Reason | None:
    """Why a server failed, as nova's ``fault`` says it; None where it says nothing."""
    if not text:
        return None
    known = _by_words(text)
    return Reason(known[0], text, known[2] or code, known[1]) if known else Reason(Kind.UNCLASSIFIED, text, code)


def _by_words(text: str) -> tuple[Kind, str, str] | None:
    """Kind, cure and type that a message tells."""
    named = _TYPE.search(text)
    if named:
        return _TYPES[named.group(1)], "", named.group(1)
    return next(((kind, cure, "") for kind, words, cure in _COMPILED if words.search(text)), None)
