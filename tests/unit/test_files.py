"""Files: whole or not at all, for their owner only, and every fault names the file."""

from __future__ import annotations

import os
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
    assert (mode(folder), mode(folder / "f"), mode(folder / "j")) == (0o700, 0o600, 0o600)


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


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "f"
    target.mkdir()
    (target / "keep").touch()
    with pytest.raises(WorkspaceError) as caught:
        files.write(target, "x")
    assert str(tmp_path) in caught.value.message and "cannot be written" in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


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
    for path in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        with pytest.raises(WorkspaceError, match="cannot be made"):
            files.private_folder(path)


def test_reading(tmp_path: Path) -> None:
    assert files.read(tmp_path / "none") is None
    assert files.read_json(tmp_path / "none") == {}
    (tmp_path / "f").write_bytes(b"\xff")
    with pytest.raises(WorkspaceError, match="is not text"):
        files.read(tmp_path / "f")
    with pytest.raises(WorkspaceError, match="cannot be read"):
        files.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "3", '{"a": 1} x'])
def test_what_is_no_json_map_is_damaged_never_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "f").write_text(text)
    with pytest.raises(WorkspaceError, match="is damaged") as caught:
        files.read_json(tmp_path / "f")
    assert str(tmp_path / "f") in caught.value.message and "tfce repair" in caught.value.message


def test_json_survives(tmp_path: Path) -> None:
    value = {"b": [1, None, "ü"], "a": {"x": "${y}"}}
    files.write_json(tmp_path / "f", value)
    assert files.read_json(tmp_path / "f") == value
    assert (tmp_path / "f").read_text().index('"a"') < (tmp_path / "f").read_text().index('"b"')


def test_removing(tmp_path: Path) -> None:
    files.write(tmp_path / "f", "x")
    files.remove(tmp_path / "f")
    files.remove(tmp_path / "f")
    assert not list(tmp_path.iterdir())
    with pytest.raises(WorkspaceError, match="cannot be removed"):
        files.remove(tmp_path)
