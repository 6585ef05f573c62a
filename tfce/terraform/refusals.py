"""Whether a backend refuses what it is asked, for a reason that a person has to take away, or does not answer.

The words are PostgreSQL's, S3's (its error codes) and those of Terraform's and OpenTofu's backends. What no row
knows may pass. PostgreSQL speaks the language that its administrator chose: there a row knows it by its SQLSTATE
only, which not every Terraform shows. But nobody is silent who said anything: Go, in which the programs are
written, has one language for what became of a connection."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """What is wrong, as it follows the backend's name, and what to do."""

    problem: str
    cure: str


_SETTING = "does not take this setting"
_ROWS: tuple[tuple[str, Refusal], ...] = tuple(
    (words, Refusal(problem, cure))
    for words, problem, cure in (
        (
            r"Extraneous JSON object property|named \"?\w+\"?\.? is not expected"
            r"|No argument or block type is named|Invalid region value|Missing required argument"
            r"|Unsupported (?:argument|backend)|Invalid backend|must be HTTP or HTTPS"
            r"|failed to parse endpoint|unsupported sslmode|Required Value"
            r"|missing \"=\" after|invalid URL escape|first path segment",
            _SETTING,
            "correct it, or take it out, in {where}",
        ),
        (
            r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|requested bucket from"
            r"|StatusCode: 301",
            "says that the bucket is in another region",
            "correct region in {where}",
        ),
        (
            r"NoSuchBucket|S3 bucket .* does not exist|pq: .*\(3D000\)|database \".*\" does not exist",
            "has not what it is to be kept in",
            "make it, or correct its name in {where}",
        ),
        (
            r"pq: .*\(28\w{3}\)|authentication failed|role \".*\" does not exist|no pg_hba\.conf entry"
            r"|requires auth|No valid credential|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken"
            r"|InvalidToken|InvalidClientTokenId|(?:HTTP error|response code|StatusCode):? 401",
            "refuses the login",
            "correct the login in {where}, or allow it there",
        ),
        (
            r"pq: .*\(42501\)|permission denied|must be owner|endpoint forbidden|invalid auth|AccessDenied"
            r"|(?:HTTP error|response code|StatusCode):? 403",
            "does not let this login do that",
            "give it the right to read, write, lock and remove states there, or name another login in {where}",
        ),
        (
            r"SSL is not enabled|x509:|tls: |certificate|server gave HTTP response to HTTPS",
            "cannot be spoken to safely",
            "see the server's certificate, and sslmode or https:// in {where}",
        ),
        (
            r"(?:HTTP error|response code):? 413|EntityTooLarge",
            "refuses a state of this size",
            "raise the server's limit (GitLab: max_terraform_state_size_bytes), or use another backend with "
            "`tfce move-state`",
        ),
        (
            r"(?:HTTP error|response code):? 422",
            "does not take a state under this name now",
            "wait a minute where the state was removed just now; else see what the server says of it",
        ),
        (
            r"response code:? (?:400|404|405|501)",
            "does not lock in this way",
            "correct address, lock_method and unlock_method in {where} (GitLab's are POST and DELETE)",
        ),
    )
)
_SILENT = Refusal(
    "does not answer",
    "nothing is believed damaged; see that it is up, that this host reaches it, and what {where} says",
)
_UNKNOWN = Refusal(
    "answers, and does not do what it is asked",
    "nothing is believed damaged; see what it says: where that does not pass, the login, its rights or a setting "
    "in {where} may be wrong",
)
# What became of a connection, or of a run that was ended; what a server itself says begins with "pq: ", or has a
# status.
_BROKEN = re.compile(
    r"dial (?:tcp|udp|unix)|lookup \S+|no such host|connection (?:refused|reset|timed out)|i/o timeout|\bEOF\b"
    r"|broken pipe|deadline exceeded|bad connection|no route to host|network is unreachable|use of closed network"
    r"|(?:StatusCode|status code):? 0\b|server closed idle connection|ended with \d|killed by signal|timed out"
)
_SAYS = re.compile(r"pq: |(?:HTTP error|response code|StatusCode):? [1-5]\d\d|api error \w")
# What Terraform adds for those who run it by hand.
_PADDING = re.compile(
    r"\s*(?:Terraform acquires a state lock to protect .*?not recommended\."
    r"|OpenTofu acquires a state lock to protect .*?not recommended\."
    r"|Please see https://\S+ for more information about providing credentials\."
    r"|The referenced S3 bucket must have been previously created\..*?try again\.)"
)


def refusal(said: str) -> Refusal | None:
    """What the backend refuses, whose cure names ``{where}`` the setting is; None where it does not answer, or
    says something that no row knows."""
    return next((found for words, found in _ROWS if re.search(words, said)), None)


def trouble(said: str) -> Refusal:
    """The same of anything that a run ended with: a backend that says something is never called silent."""
    answers = bool(said) and (_SAYS.search(said) or not _BROKEN.search(said))
    return refusal(said) or (_UNKNOWN if answers else _SILENT)


def is_foreign(said: str) -> bool:
    """Whether PostgreSQL said something that no row knows: it may be in any language, and may pass."""
    return "pq: " in said and refusal(said) is None


def brief(said: str) -> str:
    """What was said, without Terraform's advice for other ways of running it."""
    return " ".join(_PADDING.sub(" ", said).split())
