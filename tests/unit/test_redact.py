"""One redactor: what it hides, in every spelling, and what it leaves."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import logging
import random
import re
import string
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest

from tfce.model import redact
from tfce.model.redact import redacted, suspected

SECRET = "p@ss/wörd+'\"x<&9"


@pytest.fixture(autouse=True)
def nothing_is_known() -> Iterator[None]:
    redact.forget()
    yield
    redact.forget()


ENCODED = {
    "plain": SECRET,
    "URL": quote(SECRET, safe=""),
    "URL, as a path": quote(SECRET),
    "URL, lower case": re.sub("%..", lambda found: found.group().lower(), quote(SECRET, safe="")),
    "a form": quote_plus(SECRET),
    "userinfo": f"https://user:{quote(SECRET, safe='')}@example.org/",
    "JSON": json.dumps({"x": SECRET}),
    "XML": f"<x>{html.escape(SECRET)}</x>",
    "repr": repr([SECRET]),
    **{f"base64 at {n}": base64.b64encode(b"\0" * n + SECRET.encode() + b"-" * 5).decode() for n in range(6)},
    "base64 of URLs": base64.urlsafe_b64encode(b"?" + SECRET.encode()).decode(),
}


@pytest.mark.parametrize("case", ENCODED)
def test_a_known_secret_is_hidden_in_every_spelling(case: str) -> None:
    redact.learn(SECRET)
    shown = redacted(f"before {ENCODED[case]} after")
    assert "****" in shown and shown.startswith("before ") and shown.endswith(" after")
    for part in ("wörd", "w%C3", "w%c3", "w\\u00f6rd", quote("wörd"), "x<&9", "x&lt;"):
        assert part not in shown
    if case.startswith("base64"):
        core = base64.b64encode(SECRET.encode()).decode()[4:12]
        assert core not in shown


@pytest.mark.parametrize(
    ("text", "secrets", "shown"),
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
def test_the_secrets_that_are_handed_in(text: str, secrets: list[str], shown: str) -> None:
    assert redacted(text, iter(secrets)) == shown


DATA = base64.b64encode(gzip.compress(random.Random(1).randbytes(3000))).decode()
LOOKS = {
    "a PEM": "-----BEGIN RSA KEY-----\nHUSH\n-----END RSA KEY-----",
    "an AWS key": "AKIAIOSFODNN7HUSH12",
    "a JWT": "eyJHUSHOi.eyJzdWIi.abc",
    "a fernet token": "gAAAAABHUSH-_abcdefgh0123456==",
    "password X": "password Hush-9x",
    "password=X": "password=hush",
    "passwd: X": 'passwd: "hush hush"',
    "pwd=": "db?pwd=hush&x=1",
    "root:X": "root:hush-hush",
    "a user of an image": "ubuntu:hush-hush",
    "a header": "Authorization: Basic aHVzaDpodXNo",
    "another": "X-Auth-Token: hush",
    "AWS's": "Authorization: AWS4-HMAC-SHA256 Credential=HUSH/2026, Signature=hush",
    "a login": "https://user:hush@example.org/",
    "user data": DATA,
    "user data in a form": f"UserData={quote(DATA, safe='')}&x=1",
    "user data in JSON": json.dumps({"x": DATA}).replace("/", "\\/"),
}


@pytest.mark.parametrize("case", LOOKS)
def test_what_looks_like_a_secret(case: str) -> None:
    shown = suspected(f"before {LOOKS[case]} after")
    assert "****" in shown and shown.startswith("before ") and shown.endswith(" after")
    assert "hush" not in shown.lower() and "aHVzaDpodXNo" not in shown
    assert not any(DATA[at : at + 12] in shown for at in range(0, len(DATA), 12))


PLAIN = [
    "an error occurred (InvalidClientTokenId): The security token included in the request is invalid",
    "InvalidClientTokenId: The security token included in the request is invalid",
    "ExpiredToken: The provided token has expired",
    "CloudAuth = /opt/dirac/etc/cloud.auth: no key and no secret for ce; add it to [ce] or [DEFAULT]",
    "CloudAuth = /x: secret = PROXY, but only DIRAC's agents have the pilot proxy",
    "clouds.yaml: clouds.mine.auth.password is missing; add it",
    "the password is wrong; password authentication failed",
    "lock_passwd: true",
    "user_data = (sensitive value)\n password = (sensitive value)",
    "OPENSTACK RegionOne https://keystone.example.org:5000/v3 0123456789abcdef0123456789abcdef",
    "ami-0123456789abcdef0 i-0123456789abcdef0 0a1b2c3d-0000-4000-8000-00000000000a",
    "/opt/dirac/var/tfce/queues/cloud.example.org/long/terraform.tfstate.d/x/terraform.tfstate",
    "/tmp/pytest-of-root/pytest-12/popen-gw1/test_the_Element_that_says_No0/root/terraform/unpacked",
    "run: chown root:root /etc/tfce.conf",
    "key pair tfce-2026 is not there; Instance_SSHKey = operators",
    '{"token": null, "password": ""}',
]


@pytest.mark.parametrize("text", PLAIN)
def test_what_people_need_stays(text: str) -> None:
    assert redacted(text) == text


def test_json_stays_json() -> None:
    shown = json.loads(redacted(json.dumps({"token": "hush", "a": {"password": "h", "n": 1}})))
    assert shown == {"token": "****", "a": {"password": "****", "n": 1}}
    assert redact.within({"a": ["password=hush", 1, None], "b": ("x",)}) == {
        "a": ["password=****", 1, None],
        "b": ["x"],
    }


def test_logs_are_guarded_at_every_level_and_with_tracebacks() -> None:
    redact.learn("hush-hush")
    redact.guard_logs()
    redact.guard_logs()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    for name in ("tfce", "urllib3.connectionpool"):
        log = logging.getLogger(name)
        old = log.level
        log.addHandler(handler)
        log.setLevel(logging.DEBUG)
        try:
            log.debug('"GET /?Action=RunInstances&UserData=%s HTTP/1.1" %s', DATA, "hush-hush")
            try:
                raise ValueError("hush-hush")
            except ValueError:
                log.exception("it was %s", "hush-hush")
        finally:
            log.removeHandler(handler)
            log.setLevel(old)
    text = stream.getvalue()
    assert "Traceback" in text and "****" in text and "hush" not in text and DATA[:40] not in text


def test_only_so_many_secrets_are_remembered() -> None:
    words = ["".join(random.Random(n).choices(string.ascii_letters, k=12)) for n in range(400)]
    redact.learn(*words)
    assert redacted(words[-1]) == "****" and redacted(words[0]) == words[0]


def test_tokens_that_come_and_go_push_no_password_out() -> None:
    for number in range(2000):
        redact.learn(f"token-{number:06}" if number % 100 else "the-password-itself")
    assert redacted("the-password-itself") == "****"
