"""Whether a backend refuses what it is asked, for a reason that a person has to take away, or does not answer.

The words are PostgreSQL's, S3's (its error codes) and those of Terraform's and OpenTofu's backends. What no row
knows may pass."""

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
            r"NoSuchBucket|S3 bucket .* does not exist|database \".*\" does not exist",
            "has not what it is to be kept in",
            "make it, or correct its name in {where}",
        ),
        (
            r"authentication failed|role \".*\" does not exist|no pg_hba\.conf entry"
            r"|requires auth|No valid credential|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken"
            r"|InvalidToken|InvalidClientTokenId|(?:HTTP error|response code|StatusCode):? 401",
            "refuses the login",
            "correct the login in {where}, or allow it there",
        ),
        (
            r"permission denied|must be owner|endpoint forbidden|invalid auth|AccessDenied"
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


def brief(said: str) -> str:
    """What was said, without Terraform's advice for other ways of running it."""
    return " ".join(_PADDING.sub(" ", said).split())
