"""The boundary for HTTP answers against servers that mean harm, or are merely broken."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tfce.cloud import clock
from tfce.cloud.ec2.errors import reason_of
from tfce.cloud.http import BoundaryError, Bounds, LastAnswer, bounded
from tfce.cloud.limits import RequestLimits
from tfce.cloud.retries import THROTTLES, Budget, retry_after, throttled
from tfce.model.reasons import Kind

LIMITS = RequestLimits(seconds=30.0, size=2**20, repeats=3, pause=0.0, longest=60.0)
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
Say = Callable[[socket.socket, bytes], None]  # what is done with a connection and the request that came


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, []  # type: tuple[float, list[float]]

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@contextmanager
def server(*answers: bytes | Say) -> Iterator[tuple[int, list[bytes]]]:
    """A server that gives each connection the next answer (the last one stays); its port, what it was asked."""
    asked: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))
    left = list(answers)

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    def one(connection: socket.socket) -> None:
        with connection:
            asked.append(connection.recv(65536))
            answer = left.pop(0) if len(left) > 1 else left[0]
            try:
                if callable(answer):
                    answer(connection, asked[-1])
                else:
                    connection.sendall(answer)
            except OSError:
                pass  # the client has gone, as it should

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1], asked
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def ask(port: int, limits: RequestLimits = LIMITS, method: str = "GET", **more: Any) -> Any:
    """One request through the boundary; the connection."""
    parts: dict[str, Any] = {
        "budget": Budget(),
        "last": LastAnswer(),
        "note": lambda *_: None,
        "safe": lambda method, _: method == "GET",
    }
    connection = bounded(Bounds(limits, **parts | more))("127.0.0.1", port)
    connection.request(method, "/x", headers={"X-Auth-Token": "t0ken"})
    return connection


def status(code: int, body: bytes = b"", *headers: bytes) -> bytes:
    head = b"".join(header + b"\r\n" for header in headers)
    return b"HTTP/1.1 %d X\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n%s" % (code, head, len(body), body)


# -- time and size -------------------------------------------------------------------------------------------


def drip(before: bytes) -> Say:
    """``before`` at once, then a byte ten times a second: no single read takes long."""

    def say(connection: socket.socket, _: bytes) -> None:
        connection.sendall(before)
        for _number in range(600):
            connection.sendall(b"a")
            time.sleep(0.1)

    return say


def endless(before: bytes) -> Say:
    def say(connection: socket.socket, _: bytes) -> None:
        connection.sendall(before)
        while True:
            connection.sendall(b"2000\r\n" + b"a" * 0x2000 + b"\r\n" if b"chunked" in before else b"a" * 8192)

    return say


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Long: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n258\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["no word", "header", "body", "chunk", "body without a length"],
)
def test_a_request_has_an_end_however_slowly_the_answer_comes(before: bytes) -> None:
    begun = time.monotonic()
    with server(drip(before)) as (port, _), pytest.raises(requests.RequestException):
        ask(port, replace(LIMITS, seconds=0.6))
    assert 0.5 < time.monotonic() - begun < 10  # it would drip for a minute


def test_a_connection_that_is_kept_gives_each_request_its_whole_time() -> None:
    def twice(connection: socket.socket, _: bytes) -> None:
        for _number in range(3):
            time.sleep(1.2)
            connection.sendall(OK.replace(b"Connection: close\r\n", b""))
            connection.recv(65536)

    with server(twice) as (port, _):
        connection = ask(port, replace(LIMITS, seconds=2.0))
        for _ in range(2):
            connection.request("GET", "/again")
            assert connection.getresponse().text == "ok"


@pytest.mark.parametrize("before", [b"", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 999999999\r\n"])
def test_a_reply_has_a_size(before: bytes) -> None:
    with (
        server(endless(b"HTTP/1.1 200 OK\r\n" + before + b"\r\n")) as (port, _),
        pytest.raises(BoundaryError, match="larger than 1 MiB"),
    ):
        ask(port)


def test_a_reply_that_is_packed_has_its_size_unpacked() -> None:
    import gzip

    packed = gzip.compress(b"a" * 2**24)
    answer = status(200, packed, b"Content-Encoding: gzip")
    with server(answer) as (port, _), pytest.raises(BoundaryError, match="larger than 1 MiB"):
        ask(port)


def test_a_body_that_is_cut_is_no_answer() -> None:
    with (
        server(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf") as (port, _),
        pytest.raises(requests.RequestException),
    ):
        ask(port)


def test_text_without_a_charset_is_utf_8() -> None:
    with server(status(200, "ü€".encode() + b"\xff", b"Content-Type: text/xml")) as (port, _):
        assert ask(port).getresponse().text == "ü€\ufffd"


# -- redirects -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_no_redirect_leads_to_another_host_and_no_token_goes_there(code: int) -> None:
    with server(OK) as (elsewhere, caught):
        away = status(code, b"", b"Location: http://127.0.0.1:%d/steal" % elsewhere)
        with server(away) as (port, _), pytest.raises(BoundaryError, match="another host"):
            ask(port)
        assert caught == []


def test_a_redirect_on_the_same_host_is_followed_for_a_question_only_and_not_for_ever() -> None:
    there = status(302, b"", b"Location: /y")
    with server(there, OK) as (port, asked):
        assert ask(port).status == 200
        assert asked[1].startswith(b"GET /y") and b"t0ken" in asked[1]
    with server(there, OK) as (port, asked), pytest.raises(BoundaryError, match="redirects"):
        ask(port, method="POST")
    with server(there) as (port, asked), pytest.raises(BoundaryError, match="redirects"):
        ask(port)
    assert len(asked) == 4


# -- proxies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_that_is_given_goes_before_the_environments(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with server(OK) as (theirs, not_asked), server(OK) as (given, asked):
        monkeypatch.setenv(name, f"http://127.0.0.1:{theirs}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        bounds = Bounds(LIMITS, Budget(), LastAnswer(), lambda *_: "", lambda *_: False)
        connection = bounded(bounds)("cloud.example.org", 80, proxy_url=f"http://127.0.0.1:{given}")
        connection.request("GET", "/x")
    assert not not_asked and asked[0].startswith(b"GET http://cloud.example.org/x ")


# -- repeats -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [413, 429, 500, 502, 503, 504])
def test_what_fails_in_passing_is_asked_again(code: int) -> None:
    counted: list[str] = []
    with server(status(code), status(code), OK) as (port, asked):
        assert ask(port, note=lambda method, *_: counted.append(method)).status == 200
    assert len(asked) == len(counted) == 3


@pytest.mark.parametrize("code", [200, 400, 401, 403, 404, 409, 501])
def test_what_does_not_pass_is_not_asked_again(code: int) -> None:
    with server(status(code)) as (port, asked):
        assert ask(port).status == code
    assert len(asked) == 1


def test_ec2s_words_for_throttling_count_whatever_their_status() -> None:
    body = b"<Response><Errors><Error><Code>Throttling</Code></Error></Errors></Response>"
    with server(status(400, body), OK) as (port, asked):
        assert ask(port).status == 200
    assert len(asked) == 2


@pytest.mark.parametrize("code", [429, 503])
def test_what_could_have_made_a_vm_is_not_asked_again(code: int) -> None:
    with server(status(code)) as (port, asked):
        assert ask(port, method="POST").status == code
    assert len(asked) == 1


def test_repeats_end_and_then_others_fail_sooner() -> None:
    budget = Budget(clock=Clock(), sleep=lambda _: None)
    with server(status(503)) as (port, asked):
        assert ask(port, budget=budget).status == 503
        assert len(asked) == 1 + LIMITS.repeats
        assert ask(port, budget=budget).status == 503
        assert len(asked) == 2 + LIMITS.repeats


def test_retry_after_is_kept_by_all_who_share_the_login() -> None:
    clock = Clock()
    budget = Budget(clock=clock, sleep=clock.sleep)
    with server(status(429, b"", b"Retry-After: 7"), OK) as (port, _):
        ask(port, method="POST", budget=budget)
        assert clock.slept == []
        ask(port, budget=budget)
    assert clock.slept == [7.0]


def test_retry_after_is_bounded() -> None:
    clock = Clock()
    with server(status(503, b"", b"Retry-After: 86400")) as (port, asked):
        assert ask(port, budget=Budget(clock, clock.sleep)).status == 503
    assert len(asked) == 1 and clock.slept == []


def test_nine_per_cent_of_throttled_requests_fail_none() -> None:
    clock = Clock()
    budget, limits = Budget(clock, clock.sleep), RequestLimits()
    answers: list[bytes | Say] = [status(503, b"RequestLimitExceeded") if n % 11 == 0 else OK for n in range(220)]
    with server(*answers) as (port, asked):
        assert {ask(port, limits, budget=budget).status for _ in range(199)} == {200}
    assert len(asked) > 199


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *((nothing, None) for nothing in (None, "", "-3", "soon", "9" * 400)),
        ("5", 5.0),
        ("0", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after_reads(value: str | None, seconds: float | None) -> None:
    assert retry_after(value) == seconds


@pytest.mark.parametrize("code", THROTTLES)
def test_every_code_of_awss_that_throttles_does(code: str) -> None:
    assert throttled(400, f"<Code>{code}</Code>".encode()) and not throttled(
        400, f"<Code>{code}ing</Code>".encode()
    )
    assert reason_of(code, "slow down").kind is Kind.THROTTLED


@pytest.mark.parametrize(("seconds", "well"), [(-61, False), (-59, True), (0, True), (59, True), (61, False)])
def test_a_clock_may_be_a_minute_off(seconds: int, well: bool) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    found = clock.check(now + timedelta(seconds=seconds), now)
    assert (found.ok, found.detail) == (well, f"{abs(seconds)} s from the cloud's")
    assert (found.cure == "") is well


def test_a_cloud_without_a_clock_says_nothing_of_the_hosts() -> None:
    assert clock.check(None).ok


def test_a_full_quota_is_no_throttling() -> None:
    assert not throttled(413, b'{"overLimit": {"message": "Quota exceeded for cores"}}')
    assert throttled(413, b'{"overLimit": {"message": "This request was rate-limited."}}')
    assert not throttled(503, b"Service Unavailable")


# -- the cloud's clock ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("date", "time"),
    [(b"Wed, 21 Oct 2015 07:28:00 GMT", "2015-10-21T07:28:00+00:00"), (b"tomorrow", None), (b"", None)],
)
def test_the_clouds_time(date: bytes, time: str | None) -> None:
    last = LastAnswer()
    with server(status(200, b"", b"Date: " + date)) as (port, _):
        ask(port, last=last)
    assert (last.time.isoformat() if last.time else None) == time
