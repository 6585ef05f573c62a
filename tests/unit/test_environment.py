"""Variables of the process's environment that libraries fail on: judged before, named with value and cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfce.config import environment
from tfce.model.errors import ConfigError, Fault

PEM = "-----BEGIN CERTIFICATE-----\n"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Paths that variables may name, by what is there."""
    (tmp_path / "pem").write_text(PEM)
    (tmp_path / "garbage").write_text("no certificate\n")
    (tmp_path / "folder").mkdir()
    names = ("pem", "garbage", "folder", "nothing", "nowhere/file")
    return {name: str(tmp_path / name) for name in names} | {"": ""}


def faults(check: object, **environ: str) -> list[Fault]:
    try:
        check(environ)  # type: ignore[operator]
    except ConfigError as error:
        return list(error.faults)
    return []


@pytest.mark.parametrize(
    ("there", "problem"),
    [
        ("pem", ""),
        ("garbage", "holds no certificate"),
        ("folder", "is a folder"),
        ("nothing", "there is no such file"),
        ("", "there is no such file"),
    ],
)
def test_a_file_of_authorities(files: dict[str, str], there: str, problem: str) -> None:
    used = environment.tls(files[there], {"SSL_CERT_FILE": files[there]})
    found = [used] if used else []
    # libcloud cannot be loaded where there is no file; what is in one matters where there is TLS.
    assert faults(environment.check_cloud, SSL_CERT_FILE=files[there]) == (found if there != "garbage" else [])
    assert [one.problem for one in found] == ([problem] if problem else [])
    for one in found:
        assert one.option == "SSL_CERT_FILE" and one.value == (files[there] or "''") and "unset it" in one.cure


@pytest.mark.parametrize(
    ("there", "good"), [("pem", True), ("nothing", True), ("", True), ("folder", False), ("nowhere/file", False)]
)
def test_a_file_that_a_library_writes(files: dict[str, str], there: str, good: bool) -> None:
    assert bool(faults(environment.check_cloud, LIBCLOUD_DEBUG=files[there])) is not good
    assert bool(environment.tls(files["pem"], {"SSLKEYLOGFILE": files[there]})) is not good


# As grpc 1.76 and protobuf 6.33 were seen to take them.
@pytest.mark.parametrize("value", ["all", "poll", "epoll1", "poll,none", "nonsense,poll"])
def test_ways_in_which_grpc_waits(value: str) -> None:
    assert not faults(environment.check_provider, GRPC_POLL_STRATEGY=value)


@pytest.mark.parametrize("value", ["none", "none,poll", "nonsense", "", " poll", "POLL", "epollex"])
def test_ways_in_which_it_would_end_the_process(value: str) -> None:
    (found,) = faults(environment.check_provider, GRPC_POLL_STRATEGY=value)
    assert found.option == "GRPC_POLL_STRATEGY" and found.value == (value or "''") and "unset it" in found.cure


@pytest.mark.parametrize(("value", "good"), [("upb", True), ("python", True), ("cpp", False), ("", False)])
def test_implementations_of_protobuf(value: str, good: bool) -> None:
    assert bool(faults(environment.check_provider, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=value)) is not good


def test_all_that_is_wrong_is_said_at_once() -> None:
    environ = {"GRPC_POLL_STRATEGY": "none", "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "cpp"}
    with pytest.raises(ConfigError) as caught:
        environment.check_provider(environ, optimized=2)
    assert [one.option for one in caught.value.faults] == [*environ, "PYTHONOPTIMIZE"]
    environment.check_provider({}, optimized=1)


@pytest.mark.parametrize(
    ("value", "shown", "problem"),
    [
        ("http://user:hush-word@proxy.example.org:3128", "http://proxy.example.org:3128", ""),
        ("proxy:3128", "http://proxy:3128", ""),
        ("http://user:hush-word@[::1", "(not shown)", "no URL"),
        ("http://user:hush-word@proxy:port", "(not shown)", "no URL"),
        ("ftp://user:hush-word@proxy", "ftp://proxy", "no URL"),
        ("http://", "http://", "no URL"),
        ("socks5://user:hush-word@proxy:1", "socks5://proxy:1", "PySocks"),
    ],
)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "Driver_proxy_url"])
def test_a_proxy_is_named_without_its_login(value: str, shown: str, problem: str, name: str) -> None:
    environ = {name: value, "HTTPS_PROXY": value}
    found = environment.proxy("http", value, "refused", False, environ)
    assert found is not None and (found.option, found.value) == (name, shown)
    assert (problem or "does not answer (refused)") in found.problem and "NO_PROXY" in found.cure
    assert "hush-word" not in str(found) and "user" not in str(found)
    silent = environment.proxy("http", value, "", False, environ)
    assert (silent is None) == (not problem)
