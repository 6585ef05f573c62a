"""The end of a provider that this process serves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from tf.gen import tfplugin_pb2

from tfce.model.errors import ConfigError
from tfce.provider import attached, serve, settings
from tfce.provider.run import Run


class Server:
    """A server that is interrupted while it stops."""

    def __init__(self) -> None:
        self.whole = threading.Event()

    def stop(self, grace: float) -> threading.Event:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(grace)  # an interrupt of the main thread is raised before this is over
        self.whole.set()
        return self.whole


@pytest.mark.parametrize("error", [RuntimeError("odd"), SystemExit("odd"), KeyboardInterrupt("odd")])
def test_whatever_an_answer_ends_with_terraform_hears_of_it(tmp_path: Path, error: BaseException) -> None:
    def login(known: Any) -> Any:
        raise error

    with ThreadPoolExecutor(1) as workers:
        server = serve.listen(Run(login), workers, f"unix:{tmp_path}/s")
        with grpc.insecure_channel(f"unix:{tmp_path}/s") as channel, pytest.raises(grpc.RpcError) as caught:
            ask = channel.unary_unary(
                "/tfplugin6.Provider/ConfigureProvider",
                request_serializer=tfplugin_pb2.ConfigureProvider.Request.SerializeToString,
                response_deserializer=tfplugin_pb2.ConfigureProvider.Response.FromString,
            )
            ask(tfplugin_pb2.ConfigureProvider.Request(config={"msgpack": b"\x80"}), timeout=5)
        server.stop(0).wait(5)
    assert caught.value.code() is grpc.StatusCode.INTERNAL and "odd" in caught.value.details()


def _killed_run(place: Path) -> Path:
    """The folder of a run whose process was killed, long ago."""
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import tfce.provider.attached as a; c = a.folder(); print(c.__enter__()); input()",
        ],
        env={**os.environ, "TMPDIR": str(place)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        left = Path(process.stdout.readline().strip())
        process.kill()
    assert left.parent == place and left.is_dir()
    return left


def _long_ago(path: Path) -> None:
    os.utime(path, (time.time() - 3600, time.time() - 3600))


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        yield Path(made)


def test_what_a_killed_run_left_goes_and_nothing_else(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path = short
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left, new = _killed_run(tmp_path), _killed_run(tmp_path)
    (tmp_path / f"{attached.PREFIX}file").touch()
    (tmp_path / f"{attached.PREFIX}link").symlink_to(tmp_path / "precious")
    (tmp_path / "precious").mkdir()
    (tmp_path / "tfce-others").mkdir()
    with attached.folder() as living:
        for path in (
            left,
            living,
            tmp_path / f"{attached.PREFIX}file",
            tmp_path / "precious",
            tmp_path / "tfce-others",
        ):
            _long_ago(path)
        attached.remove_left.cache_clear()
        with attached.folder():
            pass
        assert not left.exists() and new.exists() and living.exists()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {new.name, f"{attached.PREFIX}file", f"{attached.PREFIX}link", "precious", "tfce-others"}


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%20b", "x" * 90, "a\udcffb"])
def test_a_folder_that_no_socket_can_be_in_is_not_used(
    short: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (short / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(short / name))
    with attached.folder() as place, ThreadPoolExecutor(1) as workers:
        server = serve.listen(Run(lambda known: None), workers, f"unix://{place}/s")  # type: ignore[arg-type,return-value]
        assert place.parent == Path("/tmp") and (place / "s").is_socket()
        server.stop(0).wait(5)


def test_a_wrong_setting_of_the_program_is_said_when_somebody_listens() -> None:
    run = settings.run({settings.PARALLELISM: "many"})
    with pytest.raises(ConfigError, match=f"{settings.PARALLELISM} = many"):
        run.login({})


def test_an_interrupt_does_not_leave_a_server_half_stopped() -> None:
    server = Server()
    with pytest.raises(KeyboardInterrupt):
        attached.stop(cast("grpc.Server", server), 0.05)
    assert server.whole.wait(5)
