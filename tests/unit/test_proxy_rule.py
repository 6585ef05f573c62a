"""Which pilots get a proxy of their own: what a wrapper brings, and what the administrator says."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import random
import re

import pytest

from tfce.config.readers import proxy_rule
from tfce.userdata import brings_proxy

PROXY = b"-----BEGIN CERTIFICATE-----\nA\n-----BEGIN RSA PRIVATE KEY-----\n" + random.Random(1).randbytes(600)
WHOLE = base64.b64encode(gzip.compress(PROXY))
PACKED = {
    "8.0": b'fd.write(bz2.decompress(base64.b64decode("""%s""")))' % base64.b64encode(bz2.compress(PROXY)),
    "9.1": b"fd.write(bz2.decompress(base64.b64decode(b'%s')))" % base64.b64encode(bz2.compress(PROXY * 9)),
    "gzip": b"echo %s | base64 -d | gunzip" % base64.b64encode(gzip.compress(bytes(range(256)) + PROXY)),
    "base64": base64.b64encode(PROXY),
    "base64 in lines": b"base64 -d <<EOF | bunzip2 > proxy\n%sEOF" % base64.encodebytes(bz2.compress(PROXY)),
    "base64 in lines of 64": b"<<EOF\n%sEOF" % b"".join(b"%s\r\n" % one for one in re.findall(b".{1,64}", WHOLE)),
    "xz": b"echo %s | base64 -d | xz -d" % base64.b64encode(lzma.compress(PROXY)),
    "bytes of gzip": b"tail -n +3 $0 | gunzip; exit\n" + gzip.compress(PROXY),
    "bytes of bzip2": b"tail -n +3 $0 | bunzip2; exit\n" + bz2.compress(PROXY),
    "bytes of xz": b"tail -n +3 $0 | xz -d; exit\n" + lzma.compress(PROXY),
    "text": PROXY,
}
NONE = {
    "script": b"#!/bin/bash\ntrue\n",
    "other files": b"b64decode(b'%s')" % base64.b64encode(bz2.compress(bytes(range(256)) * 4)),
    "a certificate": b"%s" % base64.b64encode(bz2.compress(b"-----BEGIN CERTIFICATE-----\n" + bytes(range(256)))),
    "cut": b"b'%s'" % base64.b64encode(b"BZh91AY&SY" + b"x" * 300),
    "cut gzip": b"b'%s'" % base64.b64encode(gzip.compress(bytes(range(256)))[:40] + b"\0" * 200),
    "odd": b"A" * 401,
    "a bomb": b"%s" % base64.b64encode(bz2.compress(bytes(10**8))) * 4,
    "nothing": b"",
}


@pytest.mark.parametrize("name", PACKED)
def test_a_proxy_is_found_however_it_is_packed(name: str) -> None:
    assert brings_proxy(b"#!/bin/bash\n%s\n" % PACKED[name])


@pytest.mark.parametrize("name", NONE)
def test_what_is_none_is_not_taken_for_one(name: str) -> None:
    assert not brings_proxy(NONE[name])


@pytest.mark.parametrize(
    ("said", "brought", "lasts"),
    [
        ("", False, 1209600),
        ("", True, None),
        ("none", False, None),
        ("None", True, None),
        ("3600", True, 3600),
        ("3600", False, 3600),
    ],
)
def test_the_administrator_has_the_last_word(said: str, brought: bool, lasts: int | None) -> None:
    assert proxy_rule(said).lifetime(brought) == lasts


@pytest.mark.parametrize("said", ["0", "-1", "never", "1.5"])
def test_nonsense_is_refused_with_what_may_stand_there(said: str) -> None:
    with pytest.raises(ValueError, match="or none"):
        proxy_rule(said)
