"""Files: whole or not at all, for their owner only, and every fault names the file."""

from __future__ import annotations

import errno
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tfce.model.errors import WorkspaceError
from tfce.store import files


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> object:
    old = os.umask(request.param)
    yield request.param
    os.umask(old)


@pytest.mark.usefixtures("umask")
def test_rights_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    folder = files.private_folder(tmp_path / "a" / "b")
    files.write(folder / "f", "x")
    files.write_json(folder / "j", {})
    files.renew(tmp_path / "c" / "d" / "f", "x")
    assert (mode(folder), mode(folder / "f"), mode(folder / "j")) == (0o700, 0o600, 0o600)
    assert not [path for path in tmp_path.rglob("*") if mode(path) & 0o002]


def test_a_read_takes_as_much_memory_as_the_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    tracemalloc.start()
    try:
        assert files.read(tmp_path / "f") == "x"
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_an_open_folder_is_closed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o755)
    assert mode(files.private_folder(tmp_path / "a")) == 0o700


def test_writing_again_closes_a_file_that_somebody_opened(tmp_path: Path) -> None:
    path = tmp_path / "f"
    files.write(path, "old")
    path.chmod(0o666)
    files.write(path, "new")
    assert (path.read_text(), mode(path)) == ("new", 0o600)


@pytest.mark.parametrize("data", [b"", b"\x00\xff", "ü\n", "x" * 1_000_000])
def test_writing_replaces_and_leaves_nothing_else(tmp_path: Path, data: bytes | str) -> None:
    path = tmp_path / "f"
    files.write(path, "old and longer")
    files.write(path, data)
    assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_keeps_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    files.write(path, "old")
    with path.open() as reader:
        files.write(path, "new")
        assert reader.read() == "old"


def test_a_link_is_replaced_and_what_it_points_to_is_left(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "f").symlink_to(tmp_path / "target")
    files.write(tmp_path / "f", "new")
    assert (tmp_path / "target").read_text() == "precious" and not (tmp_path / "f").is_symlink()


def test_a_folder_in_the_way_is_put_aside(tmp_path: Path) -> None:
    target = tmp_path / "f"
    changes: list[Callable[[], object]] = [lambda: files.write(target, "x"), lambda: files.remove(target)]
    for change in changes:
        target.mkdir()
        (target / "keep").touch()
        change()
        assert not target.is_dir()
        files.remove(target)
        (aside,) = tmp_path.iterdir()
        assert aside.name.startswith("f.damaged-") and (aside / "keep").exists()
        (aside / "keep").unlink()
        aside.rmdir()


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    files.write(tmp_path / "f", "old")
    with pytest.raises(UnicodeEncodeError):
        files.write(tmp_path / "f", "\ud800")
    too_long = tmp_path / ("x" * 250)
    with pytest.raises(WorkspaceError, match="cannot be written") as caught:
        files.write(too_long, "x")
    assert str(tmp_path) in caught.value.message
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("f", "old")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_explained() -> None:
    with (
        pytest.raises(WorkspaceError, match="No space left") as caught,
        files.explained(Path("/w/roster"), "written"),
        Path("/dev/full").open("w") as full,
    ):
        full.write("x")
    assert "/w/roster" in caught.value.message and "free space" in caught.value.message
    assert caught.value.exit_code == 2


def test_folders_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        with pytest.raises(WorkspaceError, match=r"cannot be made|is no folder"):
            files.private_folder(path, ours=False)
    assert (tmp_path / "file").is_file()


def test_a_file_in_a_folders_place_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    assert files.private_folder(tmp_path / "f").is_dir()
    (aside,) = tmp_path.glob("f.damaged-*")
    assert aside.read_text() == "x"


def test_reading(tmp_path: Path) -> None:
    assert files.read(tmp_path / "none") is None
    assert files.believed_json(tmp_path / "none") == {}
    (tmp_path / "f").write_bytes(b"\xff")
    with pytest.raises(WorkspaceError, match="is not text"):
        files.read(tmp_path / "f")
    with pytest.raises(WorkspaceError, match="is no file"):
        files.read(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/dev/zero")
    for name, why in (("fifo", "is no file"), ("link", "is a link")):
        with pytest.raises(WorkspaceError, match=why) as caught:
            files.read(tmp_path / name)
        assert "put it back from a copy" in caught.value.message and files.believed(tmp_path / name) is None
    with pytest.raises(WorkspaceError, match="is no file"):
        files.read(Path("/dev/zero"))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "3", '{"a": 1} x', "[" * 100_000])
def test_what_is_no_json_map_is_not_believed(tmp_path: Path, text: str) -> None:
    (tmp_path / "f").write_text(text)
    assert files.believed_json(tmp_path / "f") == {} and (tmp_path / "f").read_text() == text


def test_json_survives(tmp_path: Path) -> None:
    value = {"b": [1, None, "ü"], "a": {"x": "${y}"}}
    files.write_json(tmp_path / "f", value)
    assert files.believed_json(tmp_path / "f") == value
    assert (tmp_path / "f").read_text().index('"a"') < (tmp_path / "f").read_text().index('"b"')


def test_removing(tmp_path: Path) -> None:
    files.write(tmp_path / "f", "x")
    files.remove(tmp_path / "f")
    files.remove(tmp_path / "f")
    assert not list(tmp_path.iterdir())
    with pytest.raises(WorkspaceError, match="cannot be removed"):
        files.remove(tmp_path / ("x" * 300))


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.EMFILE, "ulimit -n"),
        (errno.ESTALE, "the server that has it"),
        (errno.ENOSPC, "the disk's free space"),
    ],
)
def test_what_a_system_says_has_its_own_cure_and_a_whole_path(number: int, cure: str) -> None:
    with pytest.raises(WorkspaceError, match=cure) as caught, files.explained(Path("/w/q"), "made"):
        raise OSError(number, os.strerror(number), "q")
    assert caught.value.message.startswith("/w/q: cannot be made")


def test_a_write_that_fails_names_what_somebody_named(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError) as caught:
        files.write(tmp_path / "nowhere" / "report.html", "x")
    assert caught.value.problem.startswith(f"{tmp_path}/nowhere/report.html: cannot be written (No such file")
